"""The addresses of `VICTIM`, named in `attack_range.hosts`, outside the project's own code."""

from django.urls import include, path

from attack_range.weak import blank

urlpatterns = [
    path("blank", blank.page),
    path("weak/alg/", include("attack_range.weak.alg")),
    path("weak/enumeration/", include("attack_range.weak.enumeration")),
    path("weak/fixation/", include("attack_range.weak.fixation")),
    path("weak/secret/", include("attack_range.weak.secret")),
    path("weak/replay/", include("attack_range.weak.replay")),
    path("weak/xss/", include("attack_range.weak.xss")),
    path("weak/csrf/", include("attack_range.weak.csrf")),
    path("weak/forged/", include("attack_range.weak.csrf_forged")),
    path("weak/unsigned/", include("attack_range.weak.unsigned")),
    path("weak/rooms/", include("attack_range.weak.rooms")),
]

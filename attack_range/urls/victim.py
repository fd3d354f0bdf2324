"""The addresses of `VICTIM`, named in `attack_range.hosts`, outside the project's own code."""

from django.urls import include, path

from attack_range.weak import blank

urlpatterns = [
    path("blank", blank.page),
    path("weak/replay/", include("attack_range.weak.replay")),
]

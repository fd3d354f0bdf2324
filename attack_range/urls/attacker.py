"""The addresses of `ATTACKER`, named in `attack_range.hosts`."""

from django.urls import include, path

from attack_range.weak import blank

urlpatterns = [
    path("blank", blank.page),
    path("xss/", include("attack_range.weak.xss_attacker")),
    path("weak/forged/", include("attack_range.weak.csrf_forged")),
    path("broken/", include("attack_range.weak.broken")),
]

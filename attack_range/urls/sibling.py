"""The addresses of `SIBLING`, named in `attack_range.hosts`."""

from django.urls import include, path

from attack_range.weak import blank, fixation

urlpatterns = [
    path("blank", blank.page),
    path("weak/forged/", include("attack_range.weak.csrf_forged")),
    path("weak/fixation/plant", fixation.plant),
    path("broken/", include("attack_range.weak.broken")),
]

"""The addresses of `SIBLING`, named in `attack_range.hosts`."""

from django.urls import path

from attack_range.weak import blank, fixation

urlpatterns = [
    path("blank", blank.page),
    path("weak/fixation/plant", fixation.plant),
]

"""The addresses of `SIBLING`, named in `attack_range.hosts`."""

from django.urls import path

from attack_range.weak import blank

urlpatterns = [
    path("blank", blank.page),
]

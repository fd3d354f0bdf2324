"""The addresses of `RANGE` in `attack_range.hosts`: the range's own pages, and what the site's proofs ask."""

from django.urls import include, path

from attack_range.pages import api

pages = [
    path("api/cases", api.cases, name="cases"),
    path("api/run", api.run, name="run"),
]

urlpatterns = [path("", include((pages, "range")))]

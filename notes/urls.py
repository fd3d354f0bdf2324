"""Addresses under `/notes/`. A page and the list have a slash at their end, a note as JSON has none."""

from typing import Any

from django.urls import path

from notes import pages, views

app_name = "notes"

# A router of DRF would put the list at `/notes/api`, but the other API roots of this site end with a slash.
MANY: dict[str, Any] = {"get": "list", "post": "create"}
ONE: dict[str, Any] = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}

urlpatterns = [
    path("", pages.Notes.as_view(), name="page"),
    path("<int:pk>/delete/", pages.Delete.as_view(), name="delete"),
    path("api/", views.NoteViewSet.as_view(MANY, name="Notes"), name="list"),
    path("api/<int:pk>", views.NoteViewSet.as_view(ONE, name="One note"), name="one"),
]

"""Addresses of the lab. Every page is open: it shows what this site does, and to throwaway people only."""

from django.urls import path

from lab import recording, strategies

app_name = "lab"

urlpatterns = [
    path("lab/runs", recording.Runs.as_view(), name="runs"),
    path("lab/runs/<slug:run>", recording.Kept.as_view(), name="run"),
    path("lab/whoami/<str:check>", strategies.Whoami.as_view(), name="whoami"),
]

"""The addresses of the site, and those of the flow whose sessions are in the memory of the process."""

from django.urls import include, path

from services.workers import views

urlpatterns = [
    path("memory/auth/login", views.Login.as_view()),
    path("memory/api/whoami", views.WhoAmI.as_view()),
    path("memory/visit", views.visit),
    path("memory/kept", views.kept),
    path("process", views.process),
    path("restart", views.restart),
    path("", include("config.urls")),
]

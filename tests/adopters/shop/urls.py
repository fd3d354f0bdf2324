"""The project's own addresses."""

from django.urls import include, path
from shop import views

urlpatterns = [
    path("", views.home),
    path("private/", views.private),
    path("echo", views.Echo.as_view()),
    path("accounts/", include("django.contrib.auth.urls")),
]

"""The victim's addresses where the project's own code answers. Its paths are the same as on the site."""

from django.urls import include, path

from attack_range import ours

urlpatterns = [
    path("session/", include("sessions_demo.urls")),
    path("jwt/", include("jwt_demo.urls")),
    path("ours/blank", ours.blank, name="blank"),
]

"""Addresses of the complete site."""

from django.apps import apps
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from config import health, home
from config.schema import SchemaView
from jwt_demo import views

urlpatterns = [
    path("", home.home, name="home"),
    path("accounts/", include("accounts.urls")),
    path("session/", include("sessions_demo.urls")),
    path("jwt/", include("jwt_demo.urls")),
    path(".well-known/jwks.json", views.key_set, name="key_set"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    # The admin's own page compares the current password past the throttle and records nothing.
    path("admin/password_change/", RedirectView.as_view(pattern_name="accounts:password_change")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]

if apps.is_installed("notes"):
    urlpatterns.append(path("notes/", include("notes.urls")))

if apps.is_installed("lab"):
    urlpatterns.append(path("", include("lab.urls")))

handler400 = "config.errors.bad_request"
handler403 = "config.errors.forbidden"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"

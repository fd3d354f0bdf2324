"""Addresses of the stock project."""

from django.contrib import admin
from django.urls import path
from rest_framework_simplejwt.views import TokenBlacklistView, TokenObtainPairView, TokenRefreshView

from benchmarks.stock import drf_views, plain_views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("healthz", plain_views.healthz),
    path("session/whoami", plain_views.session_whoami),
    path("session/profile", plain_views.session_profile),
    path("session/drf/login", drf_views.SessionLogin.as_view()),
    path("session/drf/logout", drf_views.SessionLogout.as_view()),
    path("session/drf/whoami", drf_views.SessionWhoami.as_view()),
    path("session/drf/profile", drf_views.SessionProfile.as_view()),
    path("token/login", TokenObtainPairView.as_view()),
    path("token/refresh", TokenRefreshView.as_view()),
    path("token/blacklist", TokenBlacklistView.as_view()),
    path("token/whoami", plain_views.token_whoami),
    path("token/drf/whoami", drf_views.TokenWhoami.as_view()),
    path("token/drf/profile", drf_views.TokenProfile.as_view()),
    path("token/stateless/whoami", drf_views.StatelessWhoami.as_view()),
]

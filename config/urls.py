"""URLs of the site."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.urls import ResolverMatch, URLResolver, include, path
from django.urls.resolvers import RoutePattern
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from config import browser_now, glossary, health, home
from config.schema import SchemaView
from jwt_demo import views


class CachedInclude(URLResolver):
    """An `include` that keeps the match of each URL without a variable part, and does not search again for it."""

    def __init__(self, route: str, urlconf: str) -> None:
        module, app_name, namespace = include(urlconf)
        super().__init__(RoutePattern(route), module, app_name=app_name, namespace=namespace)
        self.found: dict[str, ResolverMatch] = {}

    def resolve(self, path: Any) -> ResolverMatch:
        """As in Django. The match can be shared: the outer resolver makes a new match from it for each request."""
        if path not in self.found:
            match = super().resolve(path)
            # URLs with a variable part are not kept: their number has no limit, and their arguments differ.
            if f"{self.pattern}{match.route}" != path:
                return match
            self.found[path] = match
        return self.found[path]


urlpatterns = [
    CachedInclude("session/", "sessions_demo.urls"),
    CachedInclude("jwt/", "jwt_demo.urls"),
    path("", home.home, name="home"),
    path("browser-now", browser_now.page, name="browser_now"),
    path("glossary/", glossary.page, name="glossary"),
    path("accounts/", include("accounts.urls")),
    path(".well-known/jwks.json", views.key_set, name="key_set"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    # The admin's own page checks the current password without the throttle and logs no event.
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

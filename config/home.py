"""The home page, which shows both flows. It is in this package because only this package knows every app."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.demo import USERS
from config.browser_now import strip
from config.navigation import has_mailbox, links


@login_not_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Both flows side by side, step by step."""
    return render(request, "home.html")


def site(request: HttpRequest) -> dict[str, Any]:
    """A context processor: the settings that templates use, the navigation, and the strip."""
    return site_settings() | {
        # A function, so that a page without it does not read the user.
        "navigation": lambda: links(request.path, getattr(request.user, "is_staff", False)),
        "browser_now": strip(request),
    }


def site_settings() -> dict[str, Any]:
    """The settings that templates use."""
    return {
        "demo": settings.DEMO,
        "lab": apps.is_installed("lab"),
        "demo_users": USERS if settings.DEMO else [],
        "mailbox": has_mailbox(),
        "site_url": settings.SITE_URL,
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
    }

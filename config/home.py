"""The home page: both flows side by side. Only this package knows every app, so it stands here."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.demo import USERS


@login_not_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The two lanes, step by step."""
    return render(request, "home.html")


def site(request: HttpRequest) -> dict[str, Any]:
    """What pages ask of the settings (a context processor)."""
    return {
        "demo": settings.DEMO,
        "lab": apps.is_installed("lab"),
        "notes": apps.is_installed("notes"),
        "demo_users": USERS if settings.DEMO else [],
        # With a mail server nothing arrives in the demo's mailbox.
        "mailbox": settings.DEMO and not settings.EMAIL_URL,
        "site_url": settings.SITE_URL,
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
    }

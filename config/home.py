"""The home page, which shows both flows. It is in this package because only this package knows every app."""

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
    """Both flows side by side, step by step."""
    return render(request, "home.html")


def site(request: HttpRequest) -> dict[str, Any]:
    """A context processor: the settings that templates use."""
    return {
        "demo": settings.DEMO,
        "lab": apps.is_installed("lab"),
        "notes": apps.is_installed("notes"),
        "demo_users": USERS if settings.DEMO else [],
        # With a mail server, mails do not stay in the demo's mailbox.
        "mailbox": settings.DEMO and not settings.EMAIL_URL,
        "site_url": settings.SITE_URL,
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
    }

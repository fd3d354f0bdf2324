"""The home page, which shows both flows. It is in this package because only this package knows every app."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.demo import USERS
from config.browser_now import strip
from config.navigation import Link, has_mailbox, links


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """Both flows side by side, step by step. A POST with `play` plays them for throwaway users; 405 without the lab.

    Raises `BadRequest` for another POST.
    """
    if request.method != "POST":
        return render(request, "home.html")
    if not apps.is_installed("lab"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    if "play" not in request.POST:
        # Any other body would make the server hash passwords and write rows for nothing.
        raise BadRequest("the form of the home page sends “play”")
    # Imported here, because the site also runs without the lab.
    from lab.experiments import both_ways

    response = render(request, "home.html", {"played": both_ways.play()})
    response["Cache-Control"] = "no-store"
    return response


def site(request: HttpRequest) -> dict[str, Any]:
    """A context processor: the settings that templates use, the navigation, and the strip."""
    now = strip(request)

    def navigation() -> list[Link]:
        return links(request.path, not now.get("unread_session") and getattr(request.user, "is_staff", False))

    # `navigation` is a function, so that a page without it does not read the user.
    return site_settings() | {"navigation": navigation, "browser_now": now}


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

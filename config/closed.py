"""Every view needs a login, except those with the decorator `login_not_required`."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

from sessions_demo.pages import say_why


class ClosedByDefaultMiddleware(LoginRequiredMiddleware):
    """Django's middleware, but an open view does not read the session and the user.

    Otherwise, while Redis is away, the health check and the API of the tokens would fail for a browser that sends a
    session cookie.
    """

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(self, request: HttpRequest, view_func: Callable[..., Any]) -> HttpResponseRedirect:
        """Redirects to the login page, which says why the user's session is over."""
        return say_why(request, super().handle_no_permission(request, view_func))

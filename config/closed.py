"""Closed by default: a view that is open says so with `login_not_required`."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

from sessions_demo.pages import say_why


class ClosedByDefaultMiddleware(LoginRequiredMiddleware):
    """Django's, which looks up the user first and so asks both stores for a page that needs neither.

    A health check, or a token's API, would then be down with the session store whenever a browser
    sends its session cookie along.
    """

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(self, request: HttpRequest, view_func: Callable[..., Any]) -> HttpResponseRedirect:
        """To the login page, which says why the user's session is over."""
        return say_why(request, super().handle_no_permission(request, view_func))

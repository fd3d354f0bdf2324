"""A login whose session is in the memory of this process only, and addresses for the lab's experiments."""

import json
import os
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.sessions.backends.cache import SessionStore
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from security.backends import verify
from security.serializers import LoginBody
from security.views import JsonView

COOKIE, USER_ID = "memory-sessionid", "user_id"
CONTROL_SALT, CONTROL_HEADER = "services.workers", "X-Control"


def for_the_lab(view: Callable[[HttpRequest], JsonResponse]) -> Callable[..., HttpResponse]:
    """Lets only the lab, which knows the site's SECRET_KEY, call the view. 403 for others, 405 unless it is a POST."""

    @csrf_exempt
    @login_not_required
    @require_POST
    @wraps(view)
    def checked(request: HttpRequest) -> JsonResponse:
        if not constant_time_compare(request.headers.get(CONTROL_HEADER, ""), control()):
            return JsonResponse({"error": "Forbidden"}, status=403)
        return view(request)

    return checked


def control() -> str:
    """The value that the lab sends in the header `CONTROL_HEADER`."""
    return salted_hmac(CONTROL_SALT, "control", algorithm="sha256").hexdigest()


class MemorySession(SessionStore):
    """Django's session store on a cache. Here the cache is a dictionary in the memory of this process."""

    def __init__(self, session_key: str | None = None, alias: str = "process_memory") -> None:
        super().__init__(session_key)
        self._cache = caches[alias]


class MemoryAuthentication(BaseAuthentication):
    """`request.user` is the user's id from a session of this process, and `request.auth` is the session."""

    def authenticate(self, request: Request) -> tuple[Any, MemorySession] | None:
        session = MemorySession(request.COOKIES.get(COOKIE))
        return (session[USER_ID], session) if USER_ID in session else None

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="memory"'


@method_decorator(login_not_required, name="dispatch")
class Login(JsonView):
    """Takes a name and a password, and answers with a session cookie."""

    authentication_classes = []
    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        """200 with the cookie; 401 and 429 as in the site's other flows."""
        body = self.read(LoginBody)
        user = verify(request._request, body["identifier"], body["password"])
        session = MemorySession()
        session[USER_ID] = str(user.pk)
        session.save()
        response = Response({"message": "Logged in successfully"})
        response.set_cookie(COOKIE, str(session.session_key), httponly=True, samesite="Strict", path="/memory/")
        return response


@method_decorator(login_not_required, name="dispatch")
class WhoAmI(JsonView):
    """The user of a session of this process."""

    authentication_classes = [MemoryAuthentication]
    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        """200 with the user's id, or 401."""
        if request.auth is None:
            self.permission_denied(request)
        return Response({"userId": request.user})


@for_the_lab
def visit(request: HttpRequest) -> JsonResponse:
    """Begins a session for a visitor without a login, as a shop's basket does, in the cache that the query names."""
    session = MemorySession(alias=_cache(request))
    session["basket"] = ["book"]
    session.save()
    return JsonResponse({"session": session.session_key})


@for_the_lab
def kept(request: HttpRequest) -> JsonResponse:
    """How many of the sessions named in the body still exist."""
    keys = json.loads(request.body)["sessions"]
    return JsonResponse({"kept": sum(MemorySession(alias=_cache(request)).exists(key) for key in keys)})


def _cache(request: HttpRequest) -> str:
    return "process_memory_limited" if request.GET.get("cache") == "limited" else "process_memory"


@require_GET
@login_not_required
def process(request: HttpRequest) -> JsonResponse:
    """The id of this process, and its resident memory in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return JsonResponse({"pid": os.getpid(), "bytes": pages * os.sysconf("SC_PAGE_SIZE")})


@for_the_lab
def restart(request: HttpRequest) -> JsonResponse:
    """Ends this process 0.1 seconds later, after the answer. gunicorn starts another."""
    threading.Timer(0.1, os._exit, [0]).start()
    return JsonResponse({"pid": os.getpid()})

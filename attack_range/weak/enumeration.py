"""Weak: a login that computes a password hash for a known user only, and so answers sooner for an unknown user."""

import time
from functools import cache

from django.contrib.auth.hashers import check_password, make_password
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from attack_range.weak import looks

ALICE, PASSWORD = "alice@shop.example", "correct horse alice"


@cache
def users() -> dict[str, str]:
    """The addresses of all users, with the hashes of their passwords."""
    return {ALICE: make_password(PASSWORD)}


def is_right(email: str, password: str) -> bool:
    """Whether this user exists and has this password."""
    if email not in users():
        return False
    return check_password(password, users()[email])


@require_POST
def log_in(request: HttpRequest) -> HttpResponse:
    """200 for the right password, and the same 401 for a wrong one and for an unknown user."""
    if is_right(request.POST.get("email", ""), request.POST.get("password", "")):
        return JsonResponse({"message": "Logged in"})
    return JsonResponse({"error": "Invalid credentials"}, status=401)


def page(request: HttpRequest) -> HttpResponse:
    """For a visitor: a login form that says how long its answer took."""
    email, parts = request.POST.get("email", ""), []
    users()  # Otherwise the time of the first login would include creating the hash.
    if request.method == "POST":
        started = time.perf_counter()
        right = is_right(email, request.POST.get("password", ""))
        milliseconds = (time.perf_counter() - started) * 1000
        said = "You are logged in." if right else "Invalid credentials."
        took = f"{milliseconds:.1f} ms" if milliseconds >= 0.1 else "less than 0.1 ms"
        parts = [looks.outcome(f"{said} The answer took {took}.")]
    fields = looks.field("email", "E-mail", email), looks.field("password", "Password", kind="password")
    note = looks.text(f"{ALICE} has an account here, and nobody@shop.example has none.")
    return looks.page("A login that answers unknown users sooner", *parts, looks.form("", "Log in", *fields), note)


urlpatterns = [path("", page), path("login", log_in)]

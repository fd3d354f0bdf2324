"""A small bank. Its customers choose the kind of credential with which they log in. Transfers have one address for each
defence. The address without a defence is weak and accepts GET as well.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import jwt
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.crypto import get_random_string
from django.views.decorators.http import require_POST, require_safe

from attack_range import attempts, hosts
from attack_range.weak.bounds import forget
from attack_range.weak.csrf_defences import DEFENCE_WORDS, DEFENCES

# Each kind of credential, with the SameSite of its cookie. For `bearer`, the cookie holds the refresh token.
CREDENTIALS: dict[str, str | None] = {
    "session-unset": None,
    "session-lax": "Lax",
    "session-strict": "Strict",
    "session-none": "None",
    "token-cookie": None,
    "bearer": "Strict",
}
CREDENTIAL_WORDS = {
    "session-unset": "a session cookie without SameSite",
    "session-lax": "a session cookie with SameSite=Lax",
    "session-strict": "a session cookie with SameSite=Strict",
    "session-none": "a session cookie with SameSite=None",
    "token-cookie": "a token in a cookie without SameSite",
    "bearer": "a token in a header",
}
SESSION, TOKEN, REFRESH = "__Host-bank-session", "__Host-bank-token", "__Host-bank-refresh"
PASSWORDS = {"Alice": "wonderland", "Mallory": "gotcha"}
ACCOUNTS_MAX = 500
# Digits of an amount. Python's `int` raises an error for a text of more than 4300 digits.
DIGITS_MAX = 9
ACCESS_LIFETIME = 15 * 60
KEY = secrets.token_bytes(32)


@dataclass
class Account:
    """One login, with its own balance. `key` is its session id, its refresh token or the `sub` of its access tokens."""

    name: str
    credential: str
    balance: int = 1000
    generation: int = 0
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    # Django's CSRF check requires a secret of 32 characters.
    csrf: str = field(default_factory=lambda: get_random_string(32))
    since: float = field(default_factory=time.time)


ACCOUNTS: OrderedDict[str, Account] = OrderedDict()


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The bank's page: the login form, and after a login the balance and the form for a transfer."""
    has_login = not {SESSION, TOKEN, REFRESH}.isdisjoint(request.COOKIES)
    chosen = {name: request.GET.get(name, "") for name in ("credential", "defence", "attempt", "window")}
    lists = {"credentials": CREDENTIAL_WORDS, "defences": DEFENCE_WORDS, "passwords": PASSWORDS}
    context = lists | {"chosen": chosen, "has_login": has_login, "attacker": hosts.origin(hosts.ATTACKER)}
    return render(request, "attack_range/csrf/bank.html", context)


@require_POST
def log_in(request: HttpRequest) -> HttpResponse:
    """Takes a name and a password, and sets the chosen credential. Weak: it accepts a form of any site."""
    name, credential = request.POST.get("name", ""), request.POST.get("credential", "")
    if PASSWORDS.get(name) != request.POST.get("password") or credential not in CREDENTIALS:
        return JsonResponse({"error": "The name, the password or the credential is wrong."}, status=401)
    account = _open(name, credential)
    if attempt := attempts.find(request.GET.get("attempt", "")):
        attempt.notes["account"] = account
    if request.headers.get("Sec-Fetch-Mode") == "navigate":
        return _with_credential(redirect("/weak/csrf/"), account)
    token = {"accessToken": access_token(account)} if credential == "bearer" else {}
    return _with_credential(JsonResponse(_describe(account) | token), account)


def _open(name: str, credential: str) -> Account:
    account = Account(name, credential)
    ACCOUNTS[account.key] = account
    forget(ACCOUNTS, ACCOUNTS_MAX)
    return account


def access_token(account: Account) -> str:
    """A JWT with the account's key as `sub`."""
    return jwt.encode({"sub": account.key, "exp": int(time.time()) + ACCESS_LIFETIME}, KEY, "HS256")


def _with_credential(response: HttpResponse, account: Account) -> HttpResponse:
    cookies = {"token-cookie": (TOKEN, access_token(account)), "bearer": (REFRESH, account.key)}
    name, value = cookies.get(account.credential, (SESSION, account.key))
    same_site = cast(Literal["Lax", "Strict", "None"] | None, CREDENTIALS[account.credential])
    for other in {SESSION, TOKEN, REFRESH} - {name}:
        response.delete_cookie(other)
    response.set_cookie(name, value, secure=True, httponly=True, samesite=same_site)
    return response


def _describe(account: Account) -> dict[str, Any]:
    names = ("name", "credential", "balance", "csrf", "since")
    return {name: getattr(account, name) for name in names}


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """The account to which the credential of the request belongs. 401 without a valid one."""
    found = account_of(request)
    return JsonResponse(_describe(found)) if found else JsonResponse({"error": "Not logged in"}, status=401)


def account_of(request: HttpRequest) -> Account | None:
    """The account to which the request's credential belongs. `None` without a valid one."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    token = bearer if scheme == "Bearer" else request.COOKIES.get(TOKEN, "")
    return ACCOUNTS.get(_subject(token) or request.COOKIES.get(SESSION, ""))


def _subject(token: str) -> str:
    try:
        return str(jwt.decode(token, KEY, algorithms=["HS256"])["sub"])
    except (jwt.PyJWTError, KeyError):
        return ""


def transfer(request: HttpRequest, defence: str) -> HttpResponse:
    """Sends money to another customer if `defence` lets the request pass."""
    methods = ["GET", "POST"] if defence == "none" else ["POST"]
    if request.method not in methods:
        return HttpResponseNotAllowed(methods)
    account = account_of(request)
    if account is None:
        return _answer(request, "This request has no valid login.", 401)
    if not DEFENCES[defence](request, account.csrf):
        return _answer(request, "The bank refused this request, because its defence takes it for a forged one.", 403)
    return _send(request, account)


def _send(request: HttpRequest, account: Account) -> HttpResponse:
    fields = request.POST if request.method == "POST" else request.GET
    to, amount = fields.get("to", ""), fields.get("amount", "")
    is_number = amount.isdecimal() and len(amount) <= DIGITS_MAX
    if not is_number or not 0 < int(amount) <= account.balance:
        return _answer(request, "There is not enough money for this transfer.", 400)
    account.balance -= int(amount)
    note_change(request, f"{account.name} sent {amount} to {to}")
    return _answer(request, f"{account.name} sent {amount} to {to}. The balance is now {account.balance}.", 200)


def note_change(request: HttpRequest, change: str) -> None:
    """Records the change for the attempt that the request names, if the request came from another origin."""
    attempt = attempts.find(request.GET.get("attempt", ""))
    if attempt and request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        attempt.changes.append(change)


def _answer(request: HttpRequest, sentence: str, status: int) -> HttpResponse:
    return render(request, "attack_range/csrf/answer.html", {"sentence": sentence, "status": status}, status=status)


@require_POST
def refresh(request: HttpRequest) -> HttpResponse:
    """A new access token for the refresh cookie. Weak: it does not check where the request comes from."""
    account = ACCOUNTS.get(request.COOKIES.get(REFRESH, ""))
    if account is None:
        return JsonResponse({"error": "Not logged in"}, status=401)
    account.generation += 1
    note_change(request, f"the tokens of {account.name} were exchanged")
    return JsonResponse({"accessToken": access_token(account)})


def open_to_the_shop(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Weak: CORS lets scripts of the sibling host send cookies and tokens to `view`, and read its answers."""

    def opened(request: HttpRequest, **arguments: str) -> HttpResponse:
        response = HttpResponse(status=204) if request.method == "OPTIONS" else view(request, **arguments)
        response["Access-Control-Allow-Origin"] = hosts.origin(hosts.SIBLING)
        response["Access-Control-Allow-Credentials"] = "true"
        response["Access-Control-Allow-Headers"] = "Authorization"
        return response

    return opened


urlpatterns = [
    path("", home),
    path("login", log_in),
    path("account", account),
    path("refresh", refresh),
    *(path(f"transfer/{defence}", transfer, {"defence": defence}) for defence in DEFENCES),
    path("open/refresh", open_to_the_shop(refresh)),
    path("open/transfer", open_to_the_shop(transfer), {"defence": "none"}),
]

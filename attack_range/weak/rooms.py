"""Weak: the servers of the rooms. A view marks a room as solved when it answers a successful attack.

The server knows a visitor by what it has issued to them: the `sub` of a token, or the value of a cookie.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST, require_safe

from attack_range import rooms
from attack_range.rooms import Visitor, known
from attack_range.weak.bounds import forget

COOKIE = "weak_room_session"
ACCESS_LIFETIME = 10 * 60
# Seconds until Alice's page exchanges the refresh token that the visitor has stolen.
OWNER_COMES = 3 * 60
# Most entries in the denylist of one visitor.
DENYLIST_MAX = 20
# Every token is issued with this role.
ROLE = "member"
WORDS = Path(rooms.__file__).with_name("words.txt").read_text().split()
KEY = secrets.token_hex(32)


def give(visitor: Visitor, room: str) -> dict[str, Any]:
    """What the visitor has in a room. It is issued on the first visit, and again after it has expired."""
    given = visitor.given.get(room)
    if given is None or ("expires" in given and given["expires"] <= time.time()):
        given = visitor.given[room] = ISSUE[room](visitor)
    return given


def _issue_member(visitor: Visitor) -> dict[str, Any]:
    return {"token": write({"sub": visitor.nonce, "name": "Mallory", "role": ROLE}, KEY)}


def _issue_session(visitor: Visitor) -> dict[str, Any]:
    return {"cookie": _random_value(visitor), "logged_out": False}


def _issue_refresh(visitor: Visitor) -> dict[str, Any]:
    token = _random_value(visitor)
    return {"token": token, "newest": token, "due": time.time() + OWNER_COMES, "owner": None, "ended": False}


def _issue_access(visitor: Visitor) -> dict[str, Any]:
    expires = int(time.time()) + ACCESS_LIFETIME
    claims = {"sub": visitor.nonce, "name": "Mallory", "role": ROLE, "jti": secrets.token_hex(8), "exp": expires}
    return {"token": write(claims, KEY), "jti": claims["jti"], "banned": False, "denylist": [], "expires": expires}


def _issue_personal(visitor: Visitor) -> dict[str, Any]:
    born = date(1960, 1, 1) + timedelta(days=secrets.randbelow(16_000))
    context = base64.b64encode(json.dumps({"shop": "12", "born": born.isoformat()}).encode()).decode()
    return {"token": write({"sub": visitor.nonce, "role": ROLE, "ctx": context}, KEY), "born": born.isoformat()}


def _issue_guessable(visitor: Visitor) -> dict[str, Any]:
    word = secrets.choice(WORDS)
    return {"token": write({"sub": visitor.nonce, "name": "Mallory", "role": ROLE}, word), "word": word}


def _random_value(visitor: Visitor) -> str:
    # The nonce comes first, so that the server can tell whose value it is. A token has the nonce in `sub`.
    return f"{visitor.nonce}.{secrets.token_urlsafe(16)}"


ISSUE = {
    "edit-the-token": _issue_member,
    "copied-cookie": _issue_session,
    "stolen-refresh": _issue_refresh,
    "after-ban": _issue_access,
    "payload": _issue_personal,
    "weak-secret": _issue_guessable,
}


def ban(visitor: Visitor) -> None:
    """An administrator bans Mallory, and the `jti` of her token is put on the denylist."""
    given = give(visitor, "after-ban")
    given["banned"] = True
    given["denylist"].append(given["jti"])
    forget(given["denylist"], DENYLIST_MAX)


def let_owner_come(visitor: Visitor, now: bool = False) -> None:
    """Alice's page exchanges her token when it is due, or `now`. If it was exchanged before, the family ends."""
    given = give(visitor, "stolen-refresh")
    if given["owner"] is None and (now or time.time() >= given["due"]):
        given["owner"] = _exchange(given, given["token"])[0]


def _exchange(given: dict[str, Any], token: str) -> tuple[int, str]:
    if given["ended"] or token != given["newest"]:
        given["ended"] = True
        return 401, ""
    given["newest"] = secrets.token_urlsafe(24)
    return 200, given["newest"]


@require_safe
def administration(request: HttpRequest) -> HttpResponse:
    """For administrators. Weak: it trusts the role in the payload and does not verify the signature."""
    claims = read(_bearer(request))
    if claims is None:
        return _answer(401, error="This is not a token.")
    if claims.get("role") != "admin":
        return _answer(403, error="This is for administrators only.", role=claims.get("role"))
    _solve(known(claims.get("sub")), "edit-the-token")
    return _answer(200, role="admin", users=["Alice", "Bob", "Mallory"])


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """Weak: deletes the cookie in the browser only. The session stays on the server."""
    if visitor := _holder(request.COOKIES.get(COOKIE, ""), "copied-cookie", "cookie"):
        visitor.given["copied-cookie"]["logged_out"] = True
    response = _answer(200, said="Logged out")
    response.delete_cookie(COOKIE)
    return response


@require_safe
def profile(request: HttpRequest) -> HttpResponse:
    """The profile of the user of the session cookie."""
    visitor = _holder(request.COOKIES.get(COOKIE, ""), "copied-cookie", "cookie")
    if visitor is None:
        return _answer(401, error="There is no session for this cookie.")
    if visitor.given["copied-cookie"]["logged_out"]:
        _solve(visitor, "copied-cookie")
    return _answer(200, user="Alice", email="alice@example.com")


@require_POST
def refresh(request: HttpRequest) -> HttpResponse:
    """A new refresh token for the stolen one, unless it was exchanged before. The server cannot know who sends it."""
    token = request.POST.get("token", "")
    visitor = _holder(token, "stolen-refresh", "token")
    if visitor is None:
        return _answer(401, error="There is no such refresh token.")
    let_owner_come(visitor)
    status, renewed = _exchange(visitor.given["stolen-refresh"], token)
    if status != 200:
        return _answer(401, error="This token was exchanged before. Its family has ended.")
    _solve(visitor, "stolen-refresh")
    return _answer(200, refreshToken=renewed)


@require_safe
def door(request: HttpRequest, check: str) -> HttpResponse:
    """The same view with three kinds of check. Weak: `expiry` checks the signature and the time only."""
    claims = read(_bearer(request), KEY)
    visitor = known(claims.get("sub")) if claims else None
    given = visitor.given.get("after-ban") if visitor else None
    if claims is None or given is None or claims.get("exp", 0) <= time.time():
        return _answer(401, error="This token is not valid, or it has expired.")
    if (check == "look-up" and given["banned"]) or (check == "denylist" and claims["jti"] in given["denylist"]):
        return _answer(401, error="Mallory is banned.")
    if given["banned"]:
        _solve(visitor, "after-ban")
    return _answer(200, user="Mallory", checked=check)


@require_POST
def birthday(request: HttpRequest) -> HttpResponse:
    """Whether `found` is the date of birth in the token that is sent with it."""
    claims = read(_bearer(request), KEY)
    visitor = known(claims.get("sub")) if claims else None
    given = visitor.given.get("payload") if visitor else None
    if not given or request.POST.get("found", "").strip() != given["born"]:
        return _answer(400, error="That is not Alice's date of birth.")
    _solve(visitor, "payload")
    return _answer(200, said="That is Alice's date of birth. Everybody who reads the log can read it.")


@require_safe
def signed(request: HttpRequest) -> HttpResponse:
    """The user of the token. Weak: the signature is verified, but the secret can be guessed."""
    visitor, word = _guessable(request)
    claims = read(_bearer(request), word) if word else None
    if claims is None:
        return _answer(401, error="The signature of this token is wrong.")
    if claims.get("role") == "admin":
        _solve(visitor, "weak-secret")
    return _answer(200, user=claims.get("name"), role=claims.get("role"))


@require_POST
def guess(request: HttpRequest) -> HttpResponse:
    """Whether `secret` is the word with which the accompanying token is signed."""
    visitor, word = _guessable(request)
    if not word or request.POST.get("secret", "").strip() != word:
        return _answer(400, error="That is not the secret.")
    _solve(visitor, "weak-secret")
    return _answer(200, said="That is the secret. With it you can write a token for any user.")


@require_safe
def words(request: HttpRequest) -> HttpResponse:
    """The words, one per line. One of them is the secret."""
    return HttpResponse("\n".join(WORDS) + "\n", "text/plain")


def _guessable(request: HttpRequest) -> tuple[Visitor | None, str]:
    claims = read(_bearer(request))
    visitor = known(claims.get("sub")) if claims else None
    return visitor, visitor.given.get("weak-secret", {}).get("word", "") if visitor else ""


def _holder(value: str, room: str, name: str) -> Visitor | None:
    visitor = known(value.partition(".")[0])
    return visitor if visitor and visitor.given.get(room, {}).get(name) == value else None


def _solve(visitor: Visitor | None, room: str) -> None:
    if visitor:
        visitor.solved.add(room)


def _answer(status: int, **body: Any) -> JsonResponse:
    return JsonResponse(body, status=status)


def _bearer(request: HttpRequest) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()


def write(claims: dict[str, Any], key: str) -> str:
    """A token with these claims, signed with HS256."""
    signed_part = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
    return f"{signed_part}.{_sign(signed_part, key)}"


def read(token: str, key: str | None = None) -> dict[str, Any] | None:
    """The claims of a token, or `None` for another text. Without a key the signature is not verified."""
    signed_part, _, signature = token.rpartition(".")
    if key is not None and not hmac.compare_digest(_sign(signed_part, key).encode(), signature.encode()):
        return None
    try:
        payload = signed_part.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, binascii.Error, ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _sign(signed_part: str, key: str) -> str:
    digest = hmac.new(key.encode(), signed_part.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


urlpatterns = [
    path("edit-the-token", administration),
    path("copied-cookie", profile),
    path("copied-cookie/logout", log_out),
    path("stolen-refresh", refresh),
    path("after-ban/look-up", door, {"check": "look-up"}),
    path("after-ban/denylist", door, {"check": "denylist"}),
    path("after-ban/expiry", door, {"check": "expiry"}),
    path("payload", birthday),
    path("weak-secret", signed),
    path("weak-secret/guess", guess),
    path("weak-secret/words", words),
]

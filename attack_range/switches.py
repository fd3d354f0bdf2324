"""Each switch turns one defence of the project's own code off, in this process only, while one try runs.

A defence is needed if an attack succeeds without it. `off` turns defences off and on again. Meanwhile they are off for
every request to the victim's host, and never for the range's own pages.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.template import context as contexts
from jwt.algorithms import HMACAlgorithm

from attack_range import preparation
from jwt_demo import cookies as token_cookies
from jwt_demo.conf import conf
from jwt_demo.keys import Key
from jwt_demo.tokens import Backend
from security import origin
from security.views import JsonView
from sessions_demo import middleware as sessions
from sessions_demo.pages import Logout

OURS = "attack_range.urls.ours"
MEMORY = "this.#accessToken = accessToken;"
# All checks of PyJWT except that of the signature.
CLAIMS_ONLY = {"verify_signature": False} | dict.fromkeys(
    ("verify_exp", "verify_nbf", "verify_aud", "verify_iss"), True
)
STORED = MEMORY + ' sessionStorage.setItem("token", accessToken);'


@dataclass(frozen=True)
class Switch:
    """One defence: its name, what happens while it is off, and a context manager that turns it off."""

    label: str
    without: str
    take_away: Callable[[], AbstractContextManager[Any]]


_lock = RLock()
_off: list[str] = []


@contextmanager
def off(names: Iterable[str]) -> Iterator[None]:
    """Turns these defences off inside the block. Afterwards all are on again, after an error too.

    A second caller waits, because two callers could each restore what the other has patched. Raises `KeyError` for an
    unknown name.
    """
    chosen = {name: SWITCHES[name] for name in names}
    with _lock, ExitStack() as stack:
        for name, switch in chosen.items():
            stack.enter_context(switch.take_away())
            _off.append(name)
            stack.callback(_off.remove, name)
        yield


def which_are_off() -> list[str]:
    """The names of the defences that are off now."""
    return [*_off]


def _csrf_token() -> AbstractContextManager[Any]:
    # Django binds `process_view` of each middleware at the start, so the patch must replace a method that it calls.
    return patch.object(CsrfViewMiddleware, "_check_token", lambda *_: None)


def _django_origin() -> AbstractContextManager[Any]:
    return patch.object(CsrfViewMiddleware, "_origin_verified", lambda *_: True)


def _exact_origins() -> AbstractContextManager[Any]:
    really = origin.came_from_here

    def came_from_here(request: HttpRequest) -> bool:
        sent, own = request.headers.get("Origin", ""), f".{request.get_host()}"
        return sent.endswith(own) or really(request)

    return patch.object(origin, "came_from_here", came_from_here)


def _json_only() -> AbstractContextManager[Any]:
    really = JsonView.initial

    def initial(view: Any, request: Any, *args: Any, **kwargs: Any) -> None:
        request._request.content_type = request._request.META["CONTENT_TYPE"] = "application/json"
        really(view, request, *args, **kwargs)

    return patch.object(JsonView, "initial", initial)


def _no_cors() -> AbstractContextManager[Any]:
    really = JsonView.finalize_response

    def finalize_response(view: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = really(view, request, *args, **kwargs)
        response["Access-Control-Allow-Origin"] = request.headers.get("Origin", "*")
        response["Access-Control-Allow-Credentials"] = "true"
        return response

    return patch.object(JsonView, "finalize_response", finalize_response)


@contextmanager
def _cookies_with(attribute: str, value: str) -> Iterator[None]:
    look_at_cookies, put = sessions._look_at_cookies, token_cookies.put

    def session_cookie(request: HttpRequest, response: Any) -> None:
        look_at_cookies(request, response)
        if settings.SESSION_COOKIE_NAME in response.cookies:
            response.cookies[settings.SESSION_COOKIE_NAME][attribute] = value

    def refresh_cookie(response: Any, family: Any) -> None:
        put(response, family)
        response.cookies[conf.JWT_REFRESH_COOKIE_NAME][attribute] = value

    with patch.object(sessions, "_look_at_cookies", session_cookie), patch.object(token_cookies, "put", refresh_cookie):
        yield


def _without_header(middleware: Any) -> AbstractContextManager[Any]:
    really = middleware.process_response

    def process_response(self: Any, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        # Another thread may be answering a page of the range, which must keep the header.
        return response if _is_ours(request) else really(self, request, response)

    return patch.object(middleware, "process_response", process_response)


def _autoescape() -> AbstractContextManager[Any]:
    really = contexts.make_context

    def make_context(context: Any, request: Any = None, **options: Any) -> Any:
        escapes = options.pop("autoescape", True) and not (request and _is_ours(request))
        return really(context, request, autoescape=escapes, **options)

    return patch("django.template.backends.django.make_context", make_context)


def _is_ours(request: HttpRequest) -> bool:
    return getattr(request, "urlconf", None) == OURS


def _memory_only() -> AbstractContextManager[Any]:
    really, copy = finders.find, preparation.folder() / "login-that-stores.js"

    def find(path: str, *args: Any, **kwargs: Any) -> Any:
        found = really(path, *args, **kwargs)
        if path != "jwt_demo/login.js":
            return found
        copy.write_text(Path(found).read_text().replace(MEMORY, STORED))
        return str(copy)

    return patch.object(finders, "find", find)


def _exact_header() -> AbstractContextManager[Any]:
    def key_of(backend: Backend, token: Any) -> Key:
        kid = jwt.get_unverified_header(token).get("kid", "")
        return backend.ring.get(kid) or backend.ring.active

    return patch.object(Backend, "key_of", key_of)


def _algorithm_pinned() -> AbstractContextManager[Any]:
    def decode(token: Any, key: Any, algorithms: Any = None, options: Any = None, **checks: Any) -> Any:
        algorithm = str(jwt.get_unverified_header(token).get("alg"))
        if algorithm.lower() == "none":
            # Without the signature, PyJWT also skips all claims, unless the options ask for them.
            unsigned: Any = {**(options or {}), **CLAIMS_ONLY}
            return jwt.decode(token, options=unsigned, **checks)
        return jwt.decode(token, key, [algorithm], options, **checks)

    return _tokens_decode_with(decode)


def _tokens_decode_with(decode: Callable[..., Any]) -> AbstractContextManager[Any]:
    # Only the name in our module is replaced, because the range's weak pages use PyJWT too.
    return patch("jwt_demo.tokens.jwt", SimpleNamespace(**vars(jwt) | {"decode": decode}))


def _key_by_kind() -> AbstractContextManager[Any]:
    def prepare_key(algorithm: HMACAlgorithm, key: Any) -> bytes:
        if isinstance(key, bytes):
            return key
        pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem

    return patch.object(HMACAlgorithm, "prepare_key", prepare_key)


def _key_from_ring() -> AbstractContextManager[Any]:
    def decode(token: Any, key: Any, *args: Any, **checks: Any) -> Any:
        sent = jwt.get_unverified_header(token).get("jwk")
        return jwt.decode(token, jwt.PyJWK.from_json(json.dumps(sent)).key if sent else key, *args, **checks)

    return _tokens_decode_with(decode)


SWITCHES: dict[str, Switch] = {
    "origin-gate": Switch(
        "Origin gate",
        "A request from another origin is treated as if a page of the site had sent it.",
        lambda: patch("security.origin.came_from_here", lambda request: True),
    ),
    "exact-origins": Switch(
        "Trusted origins by exact name", "Every subdomain of the site is a trusted origin.", _exact_origins
    ),
    "csrf-token": Switch("CSRF token", "The pages and the JSON endpoints do not check the CSRF token.", _csrf_token),
    "django-origin": Switch(
        "Django's Origin check", "Django's CSRF check takes every Origin for the site's own.", _django_origin
    ),
    "exact-cookies": Switch(
        "Exact cookie names",
        "The name of a cookie is what Django's parser makes of it.",
        lambda: patch("security.cookies.exact", lambda line: line),
    ),
    "samesite": Switch(
        "SameSite=Strict", "The cookies are set with SameSite=None.", lambda: _cookies_with("samesite", "None")
    ),
    "httponly": Switch("HttpOnly", "The cookies are set without HttpOnly.", lambda: _cookies_with("httponly", "")),
    "arrivals": Switch(
        "Second request after a visit from another site",
        "A visit from another site is answered as if the browser had no cookies.",
        lambda: patch("security.arrivals.arrives", lambda request: False),
    ),
    "safe-methods": Switch(
        "POST for changes",
        "The page that logs out accepts GET too.",
        lambda: patch.object(Logout, "get", Logout.post, create=True),
    ),
    "json-only": Switch("JSON only", "A body is read as JSON, whatever its Content-Type is.", _json_only),
    "no-cors": Switch("No CORS", "Scripts of every origin may read the answers, with cookies.", _no_cors),
    "next": Switch(
        "Check of ?next=",
        "The login redirects to any address.",
        lambda: patch("django.contrib.auth.views.url_has_allowed_host_and_scheme", lambda *_, **__: True),
    ),
    "csp": Switch(
        "Content-Security-Policy",
        "The site's pages have no policy of their own.",
        lambda: _without_header(CSPMiddleware),
    ),
    "x-frame-options": Switch(
        "X-Frame-Options", "The header X-Frame-Options is missing.", lambda: _without_header(XFrameOptionsMiddleware)
    ),
    "autoescape": Switch("Escaping in templates", "Templates write values without escaping them.", _autoescape),
    "memory-only": Switch(
        "Token in memory only", "The client's script also keeps the access token in sessionStorage.", _memory_only
    ),
    "exact-header": Switch("Exact header", "A token may have any header.", _exact_header),
    "algorithm-pinned": Switch(
        "One algorithm per key",
        "The header of a token chooses the algorithm. PyJWT does not refuse a token without a signature either.",
        _algorithm_pinned,
    ),
    "key-by-kind": Switch(
        "One use per key, by PyJWT", "PyJWT's HMAC takes the text of a public key for a secret.", _key_by_kind
    ),
    "key-from-ring": Switch("Keys from the settings", "A token may bring its own key in its header.", _key_from_ring),
}

"""Weak: a shop that shows comments without escaping them, so that a comment can be a script.

The address says where the shop keeps its customer's credential, for example `/weak/xss/local-storage/`. In four places
it is an access token, which the page's script sends as a bearer token, with a refresh token in an HttpOnly cookie. In
the other two it is a session cookie. The nonce in the query separates the data of each attempt.
"""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_POST

from attack_range import hosts
from attack_range.weak.bounds import forget

ROOT = "/weak/xss"
TOKEN_PLACES = ("local-storage", "session-storage", "global", "closure")
COOKIE_PLACES = ("cookie", "readable-cookie")
PLACES = {
    "local-storage": "localStorage",
    "session-storage": "sessionStorage",
    "global": "a global variable",
    "closure": "a variable in a closure",
    "cookie": "an HttpOnly cookie",
    "readable-cookie": "a cookie without HttpOnly",
}
SESSION_COOKIE, REFRESH_COOKIE = "weak_shop_session", "weak_shop_refresh"
HOME = "12 Alder Street"
# When there are more shops, customers or credentials of one customer, the oldest are deleted. More comments of one shop
# are not stored. LENGTH_MAX is the most characters of one text.
SHOPS_MAX, CUSTOMERS_MAX, COMMENTS_MAX, LENGTH_MAX = 500, 500, 50, 2000
CREDENTIALS_MAX = 100


@dataclass
class Customer:
    """The customer of one attempt: the delivery address, and the valid credentials and refresh tokens."""

    address: str = HOME
    credentials: OrderedDict[str, None] = field(default_factory=OrderedDict)
    refresh_tokens: set[str] = field(default_factory=set)


# The key is the place and the nonce of the attempt. The nonce is empty for a person who uses the shop by hand.
COMMENTS: OrderedDict[tuple[str, str], list[dict[str, str]]] = OrderedDict()
CUSTOMERS: OrderedDict[tuple[str, str], Customer] = OrderedDict()


def page(request: HttpRequest, place: str, vendor: bool = False) -> HttpResponse:
    """The shop. With `vendor` it also loads a script from another company's server, which shows stars."""
    key = _key(request, place)
    context: dict[str, Any] = {
        "place": place,
        "places": PLACES,
        "kept_in": PLACES[place],
        "base": f"{ROOT}/{place}/",
        "comments": COMMENTS.get(key, []),
        "vendor": hosts.origin(hosts.ATTACKER) + "/xss/vendor.js" if vendor else "",
        "attacker": hosts.origin(hosts.ATTACKER) + "/xss/",
        "query": f"?attempt={key[1]}" if key[1] else "",
    }
    return render(request, "attack_range/weak/shop.html", context)


@require_POST
def comment(request: HttpRequest, place: str) -> HttpResponse:
    """Stores a comment, which needs no login, and redirects to the shop."""
    key = _key(request, place)
    comments = COMMENTS.setdefault(key, [])
    if len(comments) < COMMENTS_MAX:
        author, text = (request.POST.get(name, "")[:LENGTH_MAX] for name in ("author", "text"))
        comments.append({"author": author or "A customer", "text": text})
    forget(COMMENTS, SHOPS_MAX)
    return _back(place, key[1])


@require_POST
def clear(request: HttpRequest, place: str) -> HttpResponse:
    """Deletes the comments, and redirects to the shop."""
    key = _key(request, place)
    COMMENTS.pop(key, None)
    return _back(place, key[1])


@require_POST
def log_in(request: HttpRequest, place: str) -> HttpResponse:
    """Logs Alice in without a password, because the attack does not depend on how Alice logs in."""
    customer = CUSTOMERS[_key(request, place)] = Customer()
    forget(CUSTOMERS, CUSTOMERS_MAX)
    credential, refresh_token = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    customer.credentials[credential] = None
    if place in TOKEN_PLACES:
        customer.refresh_tokens.add(refresh_token)
        response = JsonResponse({"accessToken": credential})
        _set_cookie(response, place, REFRESH_COOKIE, refresh_token, httponly=True)
        return response
    response = JsonResponse({"user": "Alice"})
    _set_cookie(response, place, SESSION_COOKIE, credential, httponly=place == "cookie")
    return response


@require_POST
def log_out(request: HttpRequest, place: str) -> HttpResponse:
    """Deletes the customer with all credentials."""
    CUSTOMERS.pop(_key(request, place), None)
    return JsonResponse({})


@require_POST
def refresh(request: HttpRequest, place: str) -> HttpResponse:
    """A new access token for the refresh token in the cookie. 404 for a session, which has no refresh."""
    if place not in TOKEN_PLACES:
        raise Http404
    customer = CUSTOMERS.get(_key(request, place), Customer())
    if request.COOKIES.get(REFRESH_COOKIE) not in customer.refresh_tokens:
        return JsonResponse({"error": "Invalid refresh token"}, status=401)
    token = secrets.token_urlsafe(16)
    customer.credentials[token] = None
    forget(customer.credentials, CREDENTIALS_MAX)
    return JsonResponse({"accessToken": token})


def whoami(request: HttpRequest, place: str) -> HttpResponse:
    """The user of the credential, and the delivery address. 401 without a valid credential."""
    customer = _customer_of(request, place)
    if customer is None:
        return JsonResponse({"error": "Not logged in"}, status=401)
    return JsonResponse({"user": "Alice", "address": customer.address})


@require_POST
def change_address(request: HttpRequest, place: str) -> HttpResponse:
    """Changes the delivery address."""
    customer = _customer_of(request, place)
    if customer is None:
        return JsonResponse({"error": "Not logged in"}, status=401)
    customer.address = request.POST.get("address", "")[:LENGTH_MAX]
    return JsonResponse({"address": customer.address})


def _customer_of(request: HttpRequest, place: str) -> Customer | None:
    if place in TOKEN_PLACES:
        credential = request.headers.get("Authorization", "").removeprefix("Bearer ")
    else:
        credential = request.COOKIES.get(SESSION_COOKIE, "")
    customer = CUSTOMERS.get(_key(request, place))
    return customer if customer and credential in customer.credentials else None


def _key(request: HttpRequest, place: str) -> tuple[str, str]:
    if place not in PLACES:
        raise Http404
    return place, request.GET.get("attempt", "")


def _back(place: str, nonce: str) -> HttpResponse:
    return HttpResponseRedirect(f"{ROOT}/{place}/" + (f"?attempt={nonce}" if nonce else ""))


def _set_cookie(response: HttpResponse, place: str, name: str, value: str, httponly: bool) -> None:
    response.set_cookie(name, value, path=f"{ROOT}/{place}/", httponly=httponly, samesite="Strict")


urlpatterns = [
    path("", lambda request: HttpResponseRedirect(f"{ROOT}/local-storage/")),
    path("<slug:place>/", page),
    path("<slug:place>/vendor/", page, {"vendor": True}),
    path("<slug:place>/comment", comment),
    path("<slug:place>/clear", clear),
    path("<slug:place>/login", log_in),
    path("<slug:place>/logout", log_out),
    path("<slug:place>/refresh", refresh),
    path("<slug:place>/whoami", whoami),
    path("<slug:place>/address", change_address),
]

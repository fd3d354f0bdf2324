"""A cookie of ours is read only under its exact name, and only if it occurs once in a request.

A browser does not let a sibling host set `__Host-sessionid`, but it lets it set that name with U+2000 in front, and
Django's parser strips the U+2000. So the server must enforce the prefix as well (RFC 6265bis section 4.1.3). Needs
Django. Gives one middleware. Place it before everything that reads cookies.
"""

import re
from collections import Counter
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.cookie import parse_cookie
from django.http.response import HttpResponseBase

from security.checks import refuse_mistakes

# Compared without regard to case, as in browsers.
PREFIXES = ("__host-", "__secure-")
# If a cookie has this form, browsers and Django read the same name from it, whatever its value is.
PLAIN = re.compile(r"[ \t]*([\w!#$%&'*+.^`|~-]+)=", re.ASCII)


def is_ours(name: str) -> bool:
    """Whether a cookie of this name has a meaning here: a setting names it, or it has one of the prefixes."""
    return bool(name) and (name in named() or name.lower().startswith(PREFIXES))


def named() -> tuple[str, ...]:
    """The names of the cookies that a setting names."""
    refresh = getattr(settings, "JWT_REFRESH_COOKIE_NAME", "__Host-refresh")
    return settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, refresh


class ExactCookiesMiddleware:
    """Removes from the request cookies that Django would mistake for ours, and cookies of ours that occur twice.

    Removes from the answer a CSRF cookie that the request had already. Django sends it again with each form, to move
    its expiry. If a login replaces the cookie meanwhile, such an answer would restore the old one, and forms would be
    refused.

    Creating it runs the system checks, so a server with an error in its settings does not start.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        refuse_mistakes()
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "HTTP_COOKIE" in request.META:
            request.META["HTTP_COOKIE"] = exact(request.META["HTTP_COOKIE"])
            # If a middleware before this one has read the cookies, Django has kept all of them here.
            request.__dict__.pop("COOKIES", None)
        response, name = self.get_response(request), settings.CSRF_COOKIE_NAME
        if name in response.cookies and response.cookies[name].value == request.COOKIES.get(name):
            del response.cookies[name]
        return response


def exact(line: str) -> str:
    """A `Cookie` header (its bytes as Latin-1, as WSGI has it) without the cookies that only look like ours.

    Of two cookies with the same name neither is kept: the server cannot know which one is genuine.
    """
    parts = line.split(";")
    plain = {found[1] for part in parts if (found := PLAIN.match(part))}
    if len(plain) == len(parts):
        return line
    chunks = [(_raw_name(chunk), chunk) for chunk in parts]
    times = Counter(name for name, _ in chunks)
    return ";".join(
        chunk
        for name, chunk in chunks
        if not any(map(is_ours, _read_names(chunk))) or (_read_names(chunk) == {name} and times[name] == 1)
    )


def _raw_name(chunk: str) -> str:
    # Strips only what a browser strips (RFC 6265bis section 5.6): any other white space is part of the name.
    name, separator, _ = chunk.partition("=")
    return name.strip(" \t") if separator else ""


def _read_names(chunk: str) -> set[str]:
    """The names that Django reads under WSGI, where it decodes the header, and under ASGI, where it does not."""
    decoded = chunk.encode("latin-1").decode(errors="replace")
    return {name for text in (chunk, decoded) for name in parse_cookie(text)}

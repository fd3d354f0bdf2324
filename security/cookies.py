"""A cookie of ours counts only under its exact name, and only once in a request.

A browser lets no sibling host set `__Host-sessionid`, but lets it set that name behind U+2000, and Django's parser
strips the U+2000. So the server must keep the promise of the prefix as well (RFC 6265bis section 4.1.3). Needs Django.
Gives one middleware, which stands before everything that reads cookies.
"""

import re
from collections import Counter
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.cookie import parse_cookie
from django.http.response import HttpResponseBase

from security.checks import refuse_mistakes

# In any case, as browsers compare them.
PREFIXES = ("__host-", "__secure-")
# Browsers and Django read the same name of such a cookie, whatever its value.
PLAIN = re.compile(r"[ \t]*([\w!#$%&'*+.^`|~-]+)=", re.ASCII)


def is_ours(name: str) -> bool:
    """Whether this site gives a cookie of this name a meaning: a setting names it, or it has one of the prefixes."""
    return bool(name) and (name in named() or name.lower().startswith(PREFIXES))


def named() -> tuple[str, ...]:
    """The cookies that a setting names."""
    refresh = getattr(settings, "JWT_REFRESH_COOKIE_NAME", "__Host-refresh")
    return settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, refresh


class ExactCookiesMiddleware:
    """Takes out of the request what Django would read as a cookie of ours and is none, or stands there twice.

    Takes out of the answer a CSRF cookie that the request had already. Django repeats it with each form, to move its
    expiry, and so an answer from before a login would undo the new one, and each form since would be refused.

    It cannot be made under a configuration that the checks refuse, so that no server starts.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        refuse_mistakes()
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "HTTP_COOKIE" in request.META:
            request.META["HTTP_COOKIE"] = exact(request.META["HTTP_COOKIE"])
            # A middleware of the project that read cookies before this one has left all of them there.
            request.__dict__.pop("COOKIES", None)
        response, name = self.get_response(request), settings.CSRF_COOKIE_NAME
        if name in response.cookies and response.cookies[name].value == request.COOKIES.get(name):
            del response.cookies[name]
        return response


def exact(line: str) -> str:
    """A `Cookie` header (its bytes as Latin-1, as WSGI has it) without the cookies that only look like ours.

    Of two with the same name neither is kept: which of them the browser meant cannot be known.
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
    # Only what a browser strips (RFC 6265bis section 5.6): any other blank is part of the name.
    name, separator, _ = chunk.partition("=")
    return name.strip(" \t") if separator else ""


def _read_names(chunk: str) -> set[str]:
    """What Django reads as the name under WSGI, which decodes the header, and under ASGI, which does not."""
    decoded = chunk.encode("latin-1").decode(errors="replace")
    return {name for text in (chunk, decoded) for name in parse_cookie(text)}

"""The length of a request body.

Gives `BodyGate`, a middleware that refuses a body that Django would not read, and `body_length`, for views of a project
without that middleware.
"""

import re
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from security.refusals import Refused, refusal

LENGTH = re.compile(r"[0-9]{1,18}")
# A request with one of these methods and content types has a body. HTTP/2 has no Transfer-Encoding that says so.
SENDING = ("POST", "PUT", "PATCH")
READ = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


class BodyGate:
    """Refuses a body without a usable length. Place it before the CSRF check, which would find no token in the body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            body_length(request)
        except Refused as refused:
            return refusal(request, refused)
        return self.get_response(request)


def body_length(request: HttpRequest) -> int:
    """The length of the body in bytes, 0 for none.

    Django and DRF do not read a body without a Content-Length: a token in it would be ignored and a logout do nothing.
    Raises `Refused`: 411 for a body without a length (RFC 9110 section 15.5.12), 400 for a length that is no number.
    """
    length = request.META.get("CONTENT_LENGTH", "")
    if not length and _announces_a_body(request):
        raise Refused(411, "body length", "Send the header Content-Length, 0 without a body, and no Transfer-Encoding.")
    if length and not LENGTH.fullmatch(length):
        raise Refused(400, "body length", "The header Content-Length must be a number of bytes.")
    return int(length or 0)


def _announces_a_body(request: HttpRequest) -> bool:
    return "HTTP_TRANSFER_ENCODING" in request.META or (request.method in SENDING and request.content_type in READ)

"""Django accepts any charset that Python has a codec for, even rot13, and then fails to decode the query string.

It fails while it builds the request, before any code that turns an error into an answer. Gives `drop_foreign`, which a
WSGI application in front of Django calls.
"""

from typing import Any

from django.utils.http import parse_header_parameters

UTF8 = ("utf-8", "utf8", "us-ascii")


def drop_foreign(environ: dict[str, Any]) -> None:
    """Removes all parameters of the content type from `environ` if they name a charset other than UTF-8."""
    content_type = environ.get("CONTENT_TYPE", "")
    if ";" in content_type and not _is_utf8(content_type):
        environ["CONTENT_TYPE"] = content_type.partition(";")[0]


def _is_utf8(content_type: str) -> bool:
    try:
        return parse_header_parameters(content_type)[1].get("charset", "utf-8").lower() in UTF8
    except (LookupError, ValueError):
        return False

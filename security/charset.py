"""Django believes any charset that Python has a codec for, rot13 too, and fails at reading the address with it.

That is before there is anything that could answer an error. Gives `drop_foreign`, for a WSGI application in front.
"""

from typing import Any

from django.utils.http import parse_header_parameters

UTF8 = ("utf-8", "utf8", "us-ascii")


def drop_foreign(environ: dict[str, Any]) -> None:
    """Takes a charset other than UTF-8 out of `environ`, with all other parameters of the content type."""
    content_type = environ.get("CONTENT_TYPE", "")
    if ";" in content_type and not _is_utf8(content_type):
        environ["CONTENT_TYPE"] = content_type.partition(";")[0]


def _is_utf8(content_type: str) -> bool:
    try:
        return parse_header_parameters(content_type)[1].get("charset", "utf-8").lower() in UTF8
    except (LookupError, ValueError):
        return False

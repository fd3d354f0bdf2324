"""The WSGI application. It refuses to exist under a configuration that the checks refuse."""

import os
from collections.abc import Iterable
from typing import Any

from django.core.checks import ERROR, Tags, run_checks
from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
site = get_wsgi_application()

# Only manage.py runs checks by itself; a server process would start with a placeholder secret.
_errors = [message for message in run_checks(tags=[Tags.security, "accounts", "session"]) if message.is_serious(ERROR)]
if _errors:
    raise SystemExit("\n".join(str(message) for message in _errors))


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Django's, which is told of no charset but UTF-8.

    It believes any that Python has a codec for, rot13 too, and fails at reading the address with it, before
    there is anything that could answer an error.
    """
    content_type = environ.get("CONTENT_TYPE", "")
    if not _is_utf8(content_type):
        environ["CONTENT_TYPE"] = content_type.partition(";")[0]
    return site(environ, start_response)


def _is_utf8(content_type: str) -> bool:
    try:
        return parse_header_parameters(content_type)[1].get("charset", "utf-8").lower() in ("utf-8", "utf8", "us-ascii")
    except (LookupError, ValueError):
        return False

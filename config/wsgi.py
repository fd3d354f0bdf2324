"""The WSGI application. It refuses to exist under a configuration that the checks refuse."""

import os
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters
from environs import EnvError

from security.checks import refuse_mistakes

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
try:
    site = get_wsgi_application()
    refuse_mistakes()
except (EnvError, ImproperlyConfigured) as error:
    # A server would show these with a traceback of its own and hide the sentence in it.
    raise SystemExit(str(error)) from None


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Django's, which never sees a charset other than UTF-8.

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

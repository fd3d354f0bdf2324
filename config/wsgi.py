"""The WSGI application. It refuses to exist under a configuration that the checks refuse."""

import os
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from environs import EnvError

from security import charset
from security.checks import refuse_mistakes

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
try:
    site = get_wsgi_application()
    refuse_mistakes()
except (EnvError, ImproperlyConfigured) as error:
    # A server would show these with a traceback of its own and hide the sentence in it.
    raise SystemExit(str(error)) from None


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Django's, which never sees a charset other than UTF-8."""
    charset.drop_foreign(environ)
    return site(environ, start_response)

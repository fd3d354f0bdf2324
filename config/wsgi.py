"""The WSGI application. The import exits with one sentence if a check of the configuration fails."""

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
    # A server would show these exceptions with a long traceback.
    raise SystemExit(str(error)) from None


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Django's application. A charset other than UTF-8 is removed from the request first."""
    charset.drop_foreign(environ)
    return site(environ, start_response)

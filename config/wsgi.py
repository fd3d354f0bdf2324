"""The WSGI application. It refuses to exist under a configuration that the checks refuse."""

import os

from django.core.checks import ERROR, Tags, run_checks
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()

# Only manage.py runs checks by itself; a server process would start with a placeholder secret.
_errors = [message for message in run_checks(tags=[Tags.security, "accounts", "session"]) if message.is_serious(ERROR)]
if _errors:
    raise SystemExit("\n".join(str(message) for message in _errors))

"""The WSGI application of the process that SERVICE names. For `orders` and `billing` it also creates missing tables."""

import os
from typing import Any

from security import charset

SERVICE = os.environ["SERVICE"]
# These processes have the site's settings, with their own addresses.
OWN_SETTINGS = {
    "auth": "services.auth.settings",
    "first worker": "services.workers.settings",
    "second worker": "services.workers.settings",
}
os.environ["DJANGO_SETTINGS_MODULE"] = OWN_SETTINGS.get(SERVICE, "services.settings")


def _application() -> Any:
    if SERVICE in OWN_SETTINGS:
        from config.wsgi import application

        return application
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    service = get_wsgi_application()
    call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)

    def without_charset(environ: dict[str, Any], start_response: Any) -> Any:
        charset.drop_foreign(environ)
        return service(environ, start_response)

    return without_charset


application = _application()

"""The settings of `auth`. They are the site's, because `auth` reads the site's sessions and tokens, with other URLs."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS, MIDDLEWARE
from services.internal_tokens import Issuer
from services.places import Places

places = Places.of_environment()
# The gateway. It replaces the client's X-Forwarded-For.
TRUSTED_PROXIES = 1
SERVICE, HOP_LOG = "auth", places.log("auth")
# gunicorn loads this file once, before it forks the worker. A worker with its own key would replace the published one.
INTERNAL_TOKENS = Issuer(places.internal_keys)
# These apps need middleware that is not in the list below.
INSTALLED_APPS = [name for name in INSTALLED_APPS if name not in ("django.contrib.admin", "django.contrib.messages")]
ROOT_URLCONF = "services.auth.urls"
# The client's request passes the same gates as on the site.
MIDDLEWARE = [
    "services.hops.HopMiddleware",
    "services.auth.middleware.RefusalHeaderMiddleware",
    "services.auth.middleware.OriginalMethodMiddleware",
    *[name for name in MIDDLEWARE if name.startswith("lab.")],
    "security.cookies.ExactCookiesMiddleware",
    "security.origin.OriginGate",
    "security.bodies.BodyGate",
    "sessions_demo.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]

"""The settings of `auth`: the site's, since it reads the site's sessions and tokens, with other addresses."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS, MIDDLEWARE
from services.internal_tokens import Issuer
from services.places import Places

places = Places.of_environment()
# The gateway, which writes X-Forwarded-For anew.
TRUSTED_PROXIES = 1
SERVICE, HOP_LOG = "auth", places.log("auth")
# Made once, before the process that serves is forked: another key would be unknown to the services.
INTERNAL_TOKENS = Issuer(places.internal_keys)
# Their middleware is not here.
INSTALLED_APPS = [name for name in INSTALLED_APPS if name not in ("django.contrib.admin", "django.contrib.messages")]
ROOT_URLCONF = "services.auth.urls"
# The same gates as on the site, for the request that the gateway holds.
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

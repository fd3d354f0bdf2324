"""The settings of `orders` and `billing`. They hold no secret of the site, and no path or URL that leads to one.

`SERVICE` in the environment says which of the two this process is.
"""

import os
import secrets

from services.authentication import SiteKeys
from services.internal_tokens import Keys
from services.places import Places

places = Places.of_environment()
SERVICE = os.environ["SERVICE"]
# The issuer and the audience of the site's access tokens.
ISSUER, AUDIENCE = os.environ["TOKEN_ISSUER"], os.environ["TOKEN_AUDIENCE"]
# `lifespan` is the max-age that the site sends with the keys, in seconds.
SITE_KEYS = SiteKeys(
    f"{places.url('gateway')}/.well-known/jwks.json",
    lifespan=300,
    timeout=2,
    headers={"Host": f"localhost:{places.port('gateway')}"},
)
INTERNAL_KEYS = Keys(places.internal_keys)
HOP_LOG = places.log(SERVICE)

# Django needs a key, but the services sign nothing with it. A new one at each start does no harm.
SECRET_KEY = secrets.token_urlsafe(48)
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = ["rest_framework", f"services.{SERVICE}"]
MIDDLEWARE = [
    "services.hops.HopMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "services.middleware.PrivateAnswers",
    "services.middleware.BodyLimit",
]
ROOT_URLCONF = f"services.{SERVICE}.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(places.folder / f"{SERVICE}.sqlite3"),
        "OPTIONS": {"timeout": 5, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ, TIME_ZONE = True, "UTC"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # DRF puts the challenge of the first class into a 401.
        "services.authentication.AccessTokenAuthentication",
        "services.authentication.GatewayAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    # DRF's own parser answers a body that is nested too deeply with a 500.
    "DEFAULT_PARSER_CLASSES": ["security.parsers.JSONParser"],
    # DRF's default is a class of `django.contrib.auth`, which is not installed.
    "UNAUTHENTICATED_USER": None,
}

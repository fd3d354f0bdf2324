"""The settings of `orders` and `billing`. No secret of the site is among them, nor the way to one.

`SERVICE` in the environment says which of the two this process is.
"""

import os
import secrets

from services.authentication import SiteKeys
from services.internal_tokens import Keys
from services.places import Places

places = Places.of_environment()
SERVICE = os.environ["SERVICE"]
# The claims of the site's access tokens.
ISSUER, AUDIENCE = os.environ["TOKEN_ISSUER"], os.environ["TOKEN_AUDIENCE"]
# As long as the header of the published keys allows.
SITE_KEYS = SiteKeys(
    f"{places.url('gateway')}/.well-known/jwks.json",
    lifespan=300,
    timeout=2,
    headers={"Host": f"localhost:{places.port('gateway')}"},
)
INTERNAL_KEYS = Keys(places.internal_keys)
HOP_LOG = places.log(SERVICE)

# Nothing here is signed by Django.
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
# The addresses end as the gateway's do.
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # The first one's challenge is the one that a 401 carries.
        "services.authentication.AccessTokenAuthentication",
        "services.authentication.GatewayAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    # DRF's own answers a body that is nested too deep with a 500.
    "DEFAULT_PARSER_CLASSES": ["security.parsers.JSONParser"],
    # `django.contrib.auth` is not installed: there are no users here.
    "UNAUTHENTICATED_USER": None,
}

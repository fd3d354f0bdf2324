"""The settings of the attack range's process. The project's own apps are set up as on the site, with other keys,
another database, another store and other cookie names. The weak code is in `attack_range.weak`.
"""

from urllib.parse import quote

from csp.constants import NONE, SELF
from redis.backoff import NoBackoff
from redis.retry import Retry

from attack_range import hosts, preparation

# Checked here too, because another command than `python -m attack_range` may load these settings.
preparation.refuse_mistakes()
BASE_DIR = preparation.ROOT
keys = preparation.keys()
SECRET_KEY = keys["SECRET_KEY"]
JWT_ACCESS_KEYS, JWT_REFRESH_KEYS = [keys["JWT_ACCESS_KEYS"]], [keys["JWT_REFRESH_KEYS"]]
# No file: the keys above are the only ones.
JWT_KEY_FILE = ""
DEBUG, DEMO, EMAIL_URL = False, True, ""
ALLOWED_HOSTS = list(hosts.ALL)
SITE_URL = hosts.origin(hosts.VICTIM)

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "security",
    "accounts",
    "sessions_demo",
    "jwt_demo",
    "attack_range",
]
# For the project's own code, at the victim's /session/, /jwt/ and /ours/. Weak code has no middleware: see wsgi.py.
MIDDLEWARE = [
    "security.cookies.ExactCookiesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "security.arrivals.ArrivalMiddleware",
    "security.origin.OriginGate",
    "security.bodies.BodyGate",
    "sessions_demo.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
# The reasons are in config/settings.py.
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W005", "security.W021", "session.W901"]
ROOT_URLCONF = "attack_range.urls.ours"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE, USE_I18N, TIME_ZONE, USE_TZ = "en", False, "UTC", True
STATIC_URL = "/static/"
# The site's own styles and scripts. Those of the weak pages are in this app, which is not installed on the site.
STATICFILES_DIRS = [BASE_DIR / "static"]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(preparation.database()),
        "OPTIONS": {
            "timeout": 5,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}


def _cache(number: int) -> dict[str, object]:
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"unix://{quote(str(preparation.store_socket()))}?db={number}",
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 1,
            "SOCKET_TIMEOUT": 1,
            "CONNECTION_POOL_CLASS": "security.pool.GuardedPool",
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 1)},
        },
    }


CACHES = {"default": _cache(1), "sessions": _cache(0), "denylist": _cache(1)}
THROTTLE_CACHE_ALIAS = "default"

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["security.backends.PasswordBackend"]
PASSWORD_HASHERS = ["security.hashers.Argon2id"]
LOGIN_URL, LOGIN_REDIRECT_URL = "session:login_page", "session:profile_page"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}
SIMPLE_JWT = {"ISSUER": SITE_URL, "AUDIENCE": f"{SITE_URL}/jwt/", "SIGNING_KEY": None, "USER_ID_CLAIM": "sub"}

# Other names than the site's, because a browser sends the cookies of a host to all of its ports.
SESSION_ENGINE, SESSION_CACHE_ALIAS = "sessions_demo.store", "sessions"
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-range-sessionid", "__Host-range-csrftoken"
JWT_REFRESH_COOKIE_NAME = "__Host-range-refresh"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_AGE = 60 * 60
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
ARRIVALS_EXEMPT = (STATIC_URL,)

SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# A test checks that this is the site's policy.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": [NONE],
    },
}
# Bytes. Every request here is a small form.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"err": {"class": "logging.StreamHandler"}, "nowhere": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["err"], "level": "ERROR"},
    "loggers": {"django": {"handlers": ["nowhere"], "level": "ERROR", "propagate": True}},
}

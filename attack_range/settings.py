"""The settings of the attack range's process. It has the project's own parts as the site has them, and its own keys,
database, store and cookie names. Weak code stands beside the parts, in `attack_range.weak`.
"""

from urllib.parse import quote

from csp.constants import NONE, SELF
from redis.backoff import NoBackoff
from redis.retry import Retry

from attack_range import hosts, preparation

# Whatever starts this process, `python -m attack_range` or another command.
preparation.refuse_mistakes()
BASE_DIR = preparation.ROOT
keys = preparation.keys()
SECRET_KEY = keys["SECRET_KEY"]
JWT_ACCESS_KEYS, JWT_REFRESH_KEYS = [keys["JWT_ACCESS_KEYS"]], [keys["JWT_REFRESH_KEYS"]]
# The keys above are all that sign and verify here.
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
# Before the project's own code, at the victim's /session/, /jwt/ and /ours/. Before weak code stands none: wsgi.py.
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
# As the site has them, and why: config/settings.py.
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
# The site's own style and scripts; the weak ones lie in this app, where the site does not look.
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

# Other names than the site's. A browser sends the cookies of one host to all of its ports.
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
# Held equal to the site's by a test.
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
# Bytes. Everything that is sent here is a small form.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"err": {"class": "logging.StreamHandler"}, "nowhere": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["err"], "level": "ERROR"},
    "loggers": {"django": {"handlers": ["nowhere"], "level": "ERROR", "propagate": True}},
}

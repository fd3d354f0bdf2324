"""Settings. What differs between machines is read from the environment or `.env`; `.env.example` lists all variables.

If a variable is missing or wrong, the site does not start, and says which variable and why.
"""

import logging
from pathlib import Path
from urllib.parse import quote

from csp.constants import NONE, SELF
from django.urls import reverse_lazy
from environs import Env

from config import environment, stores

BASE_DIR = environment.ROOT

environment.take_env_file()
env = Env()


def _or(name: str, default: object) -> str:
    # An empty variable, as in `.env.example`, means the default.
    return env.str(name, "") or str(default)


# ── The environment of this machine ───────────────────────────────────────────────────────────
SECRET_KEY: str = env.str("SECRET_KEY")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS")
# `make run HTTPS=1` serves https with a certificate of its own.
HTTPS: bool = bool(env.str("HTTPS", "")) and env.bool("HTTPS")
# Links in mails begin with it. The Host header must not be used: an attacker can write any host in it.
SITE_URL: str = _or("SITE_URL", f"http{'s' * HTTPS}://localhost:{environment.port()}").rstrip("/")
# Demo users, a mailbox that anyone can read, the lab. A check refuses it on other addresses than loopback.
DEMO: bool = env.bool("DEMO", False)
# The number of proxies in front of the site. So many entries of X-Forwarded-For are believed.
TRUSTED_PROXIES: int = env.int("TRUSTED_PROXIES", 0)
VAR_DIR = Path(_or("VAR_DIR", BASE_DIR / "var")).resolve()
# The keys of access and of refresh tokens. They must differ from each other and from SECRET_KEY. A list in the
# environment replaces the keys in the file. Its first key signs, and the others still verify.
JWT_KEY_FILE: str = _or("JWT_KEY_FILE", VAR_DIR / "keys.json")
JWT_ACCESS_KEYS: list[str] = env.list("JWT_ACCESS_KEYS", [])
JWT_REFRESH_KEYS: list[str] = env.list("JWT_REFRESH_KEYS", [])

DATABASES = {"default": stores.database(_or("DATABASE_URL", f"sqlite:///{quote(str(VAR_DIR))}/db.sqlite3"))}
STORE_SOCKET = VAR_DIR / "store" / "valkey.sock"
REDIS_URL = _or("REDIS_URL", f"unix://{quote(str(STORE_SOCKET))}")
CACHES = stores.caches(REDIS_URL)
THROTTLE_CACHE_ALIAS = "default"

# Housekeeping sends each mail to this server. Without a server (demo only) mails stay in the demo's mailbox.
EMAIL_URL: str = env.str("EMAIL_URL", "")
if EMAIL_URL:
    globals().update(env.dj_email_url("EMAIL_URL"))
EMAIL_TIMEOUT = 10  # seconds; housekeeping sends mails, so a hung mail server delays no request
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", "no-reply@localhost")

# ── The project ───────────────────────────────────────────────────────────────────────────────
DEBUG = False
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "security",
    "accounts",
    "sessions_demo",
    "jwt_demo",
    "config",
]
MIDDLEWARE = [
    # Before every middleware that reads cookies.
    "security.cookies.ExactCookiesMiddleware",
    "config.log.RequestLogMiddleware",
    "config.headers.PolicyMiddleware",
    "config.headers.SecurityHeadersMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.errors.ErrorPageMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.headers.HostMiddleware",
    "security.arrivals.ArrivalMiddleware",
    "security.origin.OriginGate",
    "security.bodies.BodyGate",
    "sessions_demo.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # A view that needs no login has the decorator `login_not_required`.
    "config.closed.ClosedByDefaultMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
SILENCED_SYSTEM_CHECKS = [
    # It looks for SecurityMiddleware by name. MIDDLEWARE names a subclass of it.
    "security.W001",
    # They ask for HSTS_INCLUDE_SUBDOMAINS and HSTS_PRELOAD, which only the owner of the whole domain can decide.
    "security.W005",
    "security.W021",
    # It warns that SESSION_COOKIE_AGE does not end the session of a user. It is set for the session without a user that
    # a reset link starts.
    "session.W901",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.home.site",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS: list[Path | tuple[str, Path]] = [BASE_DIR / "static"]
STORAGES = {
    "staticfiles": {"BACKEND": "config.static.StaticStorage"},
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
}

# ── Users and passwords ───────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["security.backends.PasswordBackend"]
LOGIN_URL = reverse_lazy("session:login_page")
LOGIN_REDIRECT_URL = reverse_lazy("session:profile_page")
PASSWORD_HASHERS = [
    "security.hashers.Argon2id",
    # For users of an earlier project: the next login of a user replaces such a hash by Argon2id.
    "security.hashers.Argon2idOverPBKDF2",
    "security.hashers.Argon2idOverPBKDF2SHA1",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
# Length, a list of common passwords, and the user's own data. No rules of composition: they lead users to passwords
# such as Password1! (ASVS 6.2.5).
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "security.passwords.MaximumLengthValidator"},
    {"NAME": "security.passwords.CommonPasswordValidator"},
    {
        "NAME": "security.passwords.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["email", "email_as_given", "name"]},
    },
]
# Seconds. Long enough to find the mail, short enough that links in an old mailbox are of no use.
PASSWORD_RESET_TIMEOUT = 60 * 60
REGISTRATION_TIMEOUT = 24 * 60 * 60

REST_FRAMEWORK = {
    # Closed by default. `JsonView` sets the parser, the renderer and the exception handler; each flow's views set their
    # authentication.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sessions & tokens",
    "DESCRIPTION": "The same person, by a session cookie and by JSON Web Tokens.",
    "VERSION": "1",
    "SWAGGER_UI_DIST": "SIDECAR",
    # The page has a table of all addresses above. Swagger shows one when it is opened.
    "SWAGGER_UI_SETTINGS": {"docExpansion": "none", "defaultModelsExpandDepth": 0},
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "POSTPROCESSING_HOOKS": ["config.schema.add_refusals"],
}

# ── Tokens ────────────────────────────────────────────────────────────────────────────────────
SIMPLE_JWT = {
    "ISSUER": SITE_URL,
    "AUDIENCE": f"{SITE_URL}/jwt/",
    # By default SimpleJWT's own classes sign with SECRET_KEY. This project does not use them. Without a key they cannot
    # be used by mistake.
    "SIGNING_KEY": None,
    "USER_ID_CLAIM": "sub",
}

# ── Cookies, headers ──────────────────────────────────────────────────────────────────────────
SESSION_ENGINE = "sessions_demo.store"
SESSION_CACHE_ALIAS = "sessions"
SESSION_COOKIE_NAME = "__Host-sessionid"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_SAMESITE = "Strict"
# For the only session without a login: it holds the token of a reset link while the visitor types the new password.
SESSION_COOKIE_AGE = PASSWORD_RESET_TIMEOUT
CSRF_COOKIE_NAME = "__Host-csrftoken"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
# These paths are not pages, so `ArrivalMiddleware` lets them pass.
ARRIVALS_EXEMPT = (STATIC_URL, "/healthz", "/readyz", "/.well-known/")
# Django's default would add a third cookie to protect. Only users with a session get messages.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

SECURE_CONTENT_TYPE_NOSNIFF = True
# With `no-referrer` a browser sends `Origin: null` with this site's own forms, and the origin gate refuses that.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# HSTS of a demo on localhost would force https on every other project on localhost, for a year.
SECURE_SSL_REDIRECT = not DEMO
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 0 if DEMO else 365 * 24 * 60 * 60
# Both concern hosts that may belong to others, and it takes months to undo a preload.
SECURE_HSTS_INCLUDE_SUBDOMAINS: bool = env.bool("HSTS_INCLUDE_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD: bool = env.bool("HSTS_PRELOAD", False)
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

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

# Bytes, and number of fields. Visitors send only small forms.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000

# ── The lab. To remove it, delete this block, `lab/` and its name in pyproject.toml ────────────
if DEMO:
    INSTALLED_APPS.append("lab")
    # Before all others, so that it sees every answer as it is sent.
    MIDDLEWARE.insert(0, "lab.tracing.middleware.TraceMiddleware")
    PASSWORD_HASHERS[0] = "lab.tracing.instruments.TimedArgon2id"
    for cache in CACHES.values():
        cache["OPTIONS"]["CONNECTION_POOL_CLASS"] = "lab.tracing.instruments.TracedPool"
    # The cache in which traces are kept. It is not traced itself.
    CACHES["trace"] = stores.cache(REDIS_URL, stores.TRACE)
    # The plots of `make bench`, which /lab/compare/ shows.
    STATICFILES_DIRS.append(("benchmarks", BASE_DIR / "benchmarks" / "results"))

# ── The notes, an example of an API behind both logins. To remove them, run `manage.py migrate notes zero`, then delete
#    this block, `notes/` and its name in pyproject.toml. Without the first step, users with notes cannot be deleted ──
if DEMO:
    INSTALLED_APPS.append("notes")

# ── The log: one JSON object per line, on standard output ─────────────────────────────────────
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"mask": {"()": "config.log.MaskFilter"}},
    "formatters": {"json": {"()": "config.log.JsonFormatter"}},
    "handlers": {
        "out": {
            "class": "config.log.Output",
            "stream": "ext://sys.stdout",
            "formatter": "json",
            "filters": ["mask"],
        },
        # A logger without any handler would write plain text to standard error, unmasked.
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["out"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        # Django logs each wrong Host with a traceback, so a client could fill the disk. The request log has the 400.
        "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
    },
}
# Warnings become lines of the log. Python would print them as plain text.
logging.captureWarnings(True)

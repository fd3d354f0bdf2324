"""Every contestant of `make bench`, by its key. Those on Python are defined here."""

import os
import sys
from collections.abc import Callable
from functools import partial
from secrets import token_urlsafe
from urllib.parse import quote

from benchmarks.contestant import (
    SECRETS,
    SITE,
    STOCK,
    Contestant,
    Flow,
    Place,
    bare_environment,
    make_folder,
    of_this_machine,
    run,
)
from benchmarks.node_contestants import BARE_NODE, EXPRESS_ARGON2, EXPRESS_WITH_BCRYPT
from config.stores import DENYLIST, SESSIONS, TRACE

# Asymmetric keys for access tokens, by their algorithm.
PAIRS = {"EdDSA": f"ed25519:{token_urlsafe(32)}", "ES256": f"es256:{token_urlsafe(32)}"}

# ── This project ──────────────────────────────────────────────────────────────────────────────


def _ours_environment(place: Place, settings: str = "config.settings", **more: str) -> dict[str, str]:
    """The settings of a deployment, as `.env.example` has them: https, a proxy in front, no demo."""
    return {
        **of_this_machine(),
        **SECRETS,
        "DJANGO_SETTINGS_MODULE": settings,
        "ENV_FILE": os.devnull,
        "VAR_DIR": str(place.folder),
        "REDIS_URL": f"unix://{quote(str(place.store))}",
        "PORT": str(place.port),
        "WEB_WORKERS": str(place.workers),
        "DEMO": "0",
        "ALLOWED_HOSTS": SITE,
        "SITE_URL": f"https://{SITE}",
        "EMAIL_URL": "smtp://mail.example.org",
        "TRUSTED_PROXIES": "1",
        **more,
    }


def _demo_environment(place: Place) -> dict[str, str]:
    """The settings of `make run`, except for the store, which all contestants share."""
    demo = {"DEMO": "1", "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]", "SITE_URL": "", "EMAIL_URL": "", "RANGE": "0"}
    return _ours_environment(place, **demo, TRUSTED_PROXIES="0")


def _prepare_ours(environment: Callable[[Place], dict[str, str]], place: Place) -> None:
    run(environment(place), sys.executable, "-c", "from config import run; run.prepare()")
    run(environment(place), sys.executable, "-m", "benchmarks.users")


def _ours_command(place: Place) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py", "config.wsgi"]


def _housekeeping(place: Place) -> list[list[str]]:
    # Without housekeeping, the denylist's lease would run out every three seconds, and a request would write the list
    # again.
    return [[sys.executable, "manage.py", "housekeeping"]]


def _ours_flows(check: str) -> tuple[Flow, ...]:
    return (
        Flow(
            "session",
            login="/session/auth/login",
            whoami="/session/api/whoami",
            profile="/session/api/profile",
            logout="/session/auth/logout",
            csrf=("__Host-csrftoken", "X-CSRFToken"),
        ),
        Flow(
            "token",
            check,
            login="/jwt/auth/login",
            whoami="/jwt/api/whoami",
            profile="/jwt/api/profile",
            refresh="/jwt/auth/refresh",
            logout="/jwt/auth/logout",
            access="accessToken",
            refresh_cookie="__Host-refresh",
        ),
    )


def _ours(variant: str, **more: str) -> Contestant:
    """This project. A variant has `more` in its environment and is started separately.

    Without `more`, access tokens are signed with HS256, as those of the other contestants, and the site's default
    revocation check is used.
    """
    key = f"ours-{variant.lower()}" if more else "ours"

    def environment(place: Place) -> dict[str, str]:
        return _ours_environment(place, **more)

    return Contestant(
        key=key,
        name="This project",
        note="DEMO=0, gunicorn, 8 requests at once a worker; housekeeping beside it; a log line for each request",
        flows=_ours_flows(variant)[1:] if more else _ours_flows(variant),
        nothing="/healthz",
        prepare=partial(_prepare_ours, environment),
        command=_ours_command,
        environment=environment,
        beside=_housekeeping,
        store_databases=(SESSIONS, DENYLIST),
        result_key="ours",
    )


OURS_DEMO = Contestant(
    key="ours-demo",
    name="This project, demo",
    note="as `make run` starts it: DEMO=1, with the lab, which times every request",
    flows=_ours_flows("denylist"),
    nothing="/healthz",
    prepare=partial(_prepare_ours, _demo_environment),
    command=lambda place: [sys.executable, "-m", "config.run"],
    environment=_demo_environment,
    headers={"Host": "localhost", "Origin": "http://localhost"},
    store_databases=(SESSIONS, DENYLIST, TRACE),
)

# ── Stock Django ──────────────────────────────────────────────────────────────────────────────


def _stock_environment(place: Place) -> dict[str, str]:
    return {
        **of_this_machine(),
        "DJANGO_SETTINGS_MODULE": "benchmarks.stock.settings",
        "SECRET_KEY": SECRETS["SECRET_KEY"],
        "HOST": SITE,
        "DATABASE_FILE": str(place.folder / "db.sqlite3"),
        "REDIS_URL": f"unix://{quote(str(place.store))}?db={STOCK}",
    }


def _prepare_stock(place: Place) -> None:
    place.folder.mkdir(parents=True, exist_ok=True)
    run(_stock_environment(place), sys.executable, "manage.py", "migrate", "--verbosity", "0")
    run(_stock_environment(place), sys.executable, "-m", "benchmarks.users")


def _stock_command(place: Place) -> list[str]:
    """gunicorn with its own worker, and with the same number of threads and the same parser as this project."""
    same = [
        "--worker-class",
        "gthread",
        "--threads",
        "8",
        "--preload",
        "--http-parser",
        "python",
        "--no-control-socket",
    ]
    here = ["--workers", str(place.workers), "--bind", f"127.0.0.1:{place.port}", "--no-control-socket"]
    return [sys.executable, "-m", "gunicorn", *same, *here, "benchmarks.stock.wsgi"]


STOCK_FLOWS = (
    Flow(
        "session",
        "DRF",
        login="/session/drf/login",
        whoami="/session/drf/whoami",
        profile="/session/drf/profile",
        logout="/session/drf/logout",
        login_field="username",
        csrf=("csrftoken", "X-CSRFToken"),
    ),
    Flow("session", "no DRF, no SQL", whoami="/session/whoami", log_in_by="DRF"),
    Flow("session", "no DRF", profile="/session/profile", log_in_by="DRF"),
    Flow(
        "token",
        "DRF",
        login="/token/login",
        whoami="/token/drf/whoami",
        profile="/token/drf/profile",
        refresh="/token/refresh",
        logout="/token/blacklist",
        login_field="username",
        access="access",
        refresh_field="refresh",
    ),
    Flow("token", "stateless", whoami="/token/stateless/whoami", log_in_by="DRF"),
    Flow("token", "no DRF, no SQL", whoami="/token/whoami", log_in_by="DRF"),
)
STOCK_DJANGO = Contestant(
    key="stock",
    name="Stock Django",
    note="contrib.sessions on django-redis, SimpleJWT with its blacklist, as their documentation says; gunicorn, 8 "
    "threads a worker",
    flows=STOCK_FLOWS,
    nothing="/healthz",
    prepare=_prepare_stock,
    command=_stock_command,
    environment=_stock_environment,
    store_databases=(STOCK,),
)

# ── gunicorn alone ─────────────────────────────────────────────────────────────────────────────


BARE_GUNICORN = Contestant(
    key="bare-gunicorn",
    name="gunicorn alone",
    note="a WSGI function of three lines under this project's gunicorn",
    flows=(),
    nothing="/",
    prepare=make_folder,
    command=lambda place: [*_ours_command(place)[:-1], "benchmarks.bare.wsgi"],
    environment=bare_environment,
)

CONTESTANTS: dict[str, Contestant] = {
    contestant.key: contestant
    for contestant in (
        _ours("denylist"),
        *(_ours(check, settings="benchmarks.ours_settings", BENCH_REVOCATION=check) for check in ("expiry", "version")),
        *(_ours(algorithm, JWT_ACCESS_KEYS=key) for algorithm, key in PAIRS.items()),
        OURS_DEMO,
        STOCK_DJANGO,
        EXPRESS_ARGON2,
        EXPRESS_WITH_BCRYPT,
        BARE_GUNICORN,
        BARE_NODE,
    )
}

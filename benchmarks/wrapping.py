"""The layers of a request: the functions of each layer, and the wrappers that measure them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import reduce
from importlib import import_module
from typing import Any
from unittest import mock

from benchmarks.stopwatch import Stopwatch

# The time that is in none of the layers below. The server's own time is not part of it.
REST = "Django: handler, request, response"
# Each layer with its functions. Each middleware is a layer too, and is not listed.
LAYERS = {
    "config: WSGI entry": ("config.wsgi.application",),
    "request and response signals": (
        "django.core.signals.request_started.send",
        "django.core.signals.request_finished.send",
    ),
    "log line": ("config.log._request_line", "config.log.Output.write_line"),
    "URL resolution": ("django.core.handlers.base.BaseHandler.resolve_request",),
    "DRF: dispatch": (
        "rest_framework.views.APIView.dispatch",
        # `method_decorator` has replaced these by new functions, which do not call a wrapped `APIView.dispatch`.
        "jwt_demo.views.Refresh.dispatch",
        "jwt_demo.views.Login.dispatch",
    ),
    "DRF: request": ("rest_framework.views.APIView.initialize_request",),
    "DRF: negotiation, body": (
        "security.views.JsonView.initial",
        "rest_framework.views.APIView.perform_content_negotiation",
        "security.views.JsonView.read",
    ),
    "DRF: authentication, permissions": (
        "rest_framework.views.APIView.perform_authentication",
        "rest_framework.views.APIView.check_permissions",
    ),
    "DRF: answer, rendering": (
        "security.views.JsonView.finalize_response",
        "jwt_demo.views.TokenView.finalize_response",
        "django.template.response.SimpleTemplateResponse.render",
    ),
    "view": (
        "sessions_demo.views.Whoami.get",
        "sessions_demo.views.Profile.get",
        "jwt_demo.views.Whoami.get",
        "jwt_demo.views.Profile.get",
        "jwt_demo.views.Refresh.post",
        "jwt_demo.views.Login.post",
    ),
    "session: record, ends": (
        "sessions_demo.authentication.SessionAuthentication.authenticate",
        "sessions_demo.store.SessionStore.load",
        "sessions_demo.store.SessionStore.write",
    ),
    "token: authentication class": ("rest_framework_simplejwt.authentication.JWTAuthentication.authenticate",),
    "token: PyJWT": ("jwt.decode", "jwt.encode"),
    "token: form, claims": (
        "jwt_demo.tokens.TypedToken.__init__",
        "jwt_demo.tokens.TypedToken.__str__",
    ),
    "token: revocation check": ("jwt_demo.revocation.Denylist.allows",),
    "token: rotation": ("jwt_demo.lifecycle.rotate", "jwt_demo.lifecycle.start"),
    "store: round trip": (
        "security.pool.GuardedPool.ask",
        "redis.client.Redis.execute_command",
        "redis.client.Pipeline.execute",
    ),
    "SQL: connection opened, closed": (
        "django.db.backends.base.base.BaseDatabaseWrapper.connect",
        "django.db.backends.base.base.BaseDatabaseWrapper.close",
    ),
    "SQL: ORM": (
        "django.db.models.query.QuerySet._filter_or_exclude",
        "django.db.models.query.QuerySet._annotate",
        "django.db.models.sql.compiler.SQLCompiler.execute_sql",
        "django.db.models.sql.compiler.SQLInsertCompiler.execute_sql",
        "django.db.models.sql.compiler.SQLUpdateCompiler.execute_sql",
        "django.db.models.query.QuerySet._fetch_all",
        "django.db.models.base.Model.save",
        "django.db.transaction.Atomic.__enter__",
        "django.db.transaction.Atomic.__exit__",
        "security.statements.Statement.first",
        "security.statements.insert",
        "security.statements.update",
    ),
    "SQL: statements": (
        "django.db.backends.utils.CursorWrapper.execute",
        "django.db.backends.utils.CursorWrapper.executemany",
        "django.db.backends.base.base.BaseDatabaseWrapper.commit",
    ),
    "password hash": ("security.hashers.Argon2id.verify", "security.hashers.Argon2id.encode"),
}


@contextmanager
def installed(watch: Stopwatch) -> Iterator[None]:
    """Wraps all layers inside the block. Raises `LookupError` if a function of the table does not exist."""
    with ExitStack() as stack:
        for layer, names in (LAYERS | middlewares()).items():
            for name in names:
                owner, attribute = find(name)
                stack.enter_context(mock.patch.object(owner, attribute, watch.wrap(layer, getattr(owner, attribute))))
        stack.enter_context(_wrapped_view_middlewares(watch))
        yield


def middlewares() -> dict[str, tuple[str, ...]]:
    """A layer for each middleware that the settings name."""
    from django.conf import settings

    return {_layer_of(name): (f"{name}.__call__",) for name in settings.MIDDLEWARE}


def _layer_of(middleware: str) -> str:
    return f"middleware: {middleware.rpartition('.')[2]}"


def find(name: str) -> tuple[Any, str]:
    """The owner and the attribute that a dotted name stands for. Raises `LookupError` if there is none."""
    words = name.split(".")
    for length in range(len(words) - 1, 0, -1):
        try:
            module = import_module(".".join(words[:length]))
            owner = reduce(getattr, words[length:-1], module)
            getattr(owner, words[-1])
        except (ModuleNotFoundError, AttributeError):
            continue
        return owner, words[-1]
    raise LookupError(f"There is no {name} any more. Correct the table of layers in {__name__}.")


@contextmanager
def _wrapped_view_middlewares(watch: Stopwatch) -> Iterator[None]:
    # Django bound these methods when it built the chain. To replace the attribute of their class would change nothing.
    from config import wsgi

    methods = vars(wsgi.site)["_view_middleware"]
    wrapped = [watch.wrap(_layer_of(type(method.__self__).__name__), method) for method in methods]
    with mock.patch.object(wsgi.site, "_view_middleware", wrapped):
        yield

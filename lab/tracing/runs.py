"""The traces that a browser asked for. They are kept in Redis for an hour, and only that browser can read them.

They are in a Redis database of their own, which is not traced, under a digest of the secret in the browser's
cookie. Needs a django-redis cache named `trace`.
"""

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from lab.tracing.trace import COOKIE, Exchange

COOKIE_FORMAT = re.compile(r"([A-Za-z0-9_-]{22})\.([a-z0-9]{8})")
# Seconds after the last request, and the most requests of one run: more could fill the store.
LIFETIME, MAX_EXCHANGES = 60 * 60, 200


@dataclass(frozen=True)
class Run:
    """One recording. `secret` is in the browser's cookie; `name` may be shown, and is of no use without the secret."""

    secret: str
    name: str

    @classmethod
    def of(cls, request: HttpRequest) -> "Run | None":
        """The run that this browser records. `None` without a valid cookie."""
        form = COOKIE_FORMAT.fullmatch(request.COOKIES.get(COOKIE, ""))
        return cls(form[1], form[2]) if form else None

    @classmethod
    def begin(cls, request: HttpRequest) -> "Run":
        """Begins a new run for this browser. Raises redis-py's errors when the store does not answer."""
        before = cls.of(request)
        run = cls(before.secret if before else secrets.token_urlsafe(16), secrets.token_hex(4))
        pipe = get_redis_connection("trace").pipeline()
        # `add` appends only to a list that exists. Otherwise a client with an invented cookie could fill the store.
        pipe.rpush(run._key, "{}")
        pipe.expire(run._key, LIFETIME)
        pipe.execute()
        return run

    @property
    def _key(self) -> str:
        return f"trace:{hashlib.sha256(self.secret.encode()).hexdigest()}:{self.name}"

    def set_cookie(self, response: HttpResponseBase) -> None:
        """Sets the cookie. From now on this browser's requests are part of the run."""
        response.set_cookie(
            COOKIE, f"{self.secret}.{self.name}", max_age=LIFETIME, secure=True, httponly=True, samesite="Strict"
        )

    def add(self, exchange: Exchange) -> None:
        """Keeps an exchange, if the run was begun. When the store does not answer, only the trace is lost."""
        try:
            pipe = get_redis_connection("trace").pipeline()
            pipe.rpushx(self._key, json.dumps(exchange.as_json()))
            pipe.ltrim(self._key, -MAX_EXCHANGES, -1)
            pipe.expire(self._key, LIFETIME)
            pipe.execute()
        except RedisError:
            return

    def read(self) -> list[dict[str, Any]] | None:
        """The exchanges in order, as JSON; `None` when this browser has no such run."""
        kept = get_redis_connection("trace").lrange(self._key, 0, -1)
        return [entry for entry in map(json.loads, kept) if entry] if kept else None


def delete_run_cookie(response: HttpResponseBase) -> None:
    """Clears the cookie, so that nothing more is recorded."""
    response.delete_cookie(COOKIE, samesite="Strict")
    response.cookies[COOKIE]["secure"] = True
    response.cookies[COOKIE]["httponly"] = True

"""The asynchronous methods of a session. Each runs its synchronous namesake in a thread."""

from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.cache import SessionStore as CacheStore


class AsyncMethods(CacheStore):
    """`sessions_demo.store.SessionStore` inherits these.

    Without them Django's own would be called, which write the session id itself to Redis and hide its errors.
    """

    async def acache_key(self) -> str:
        return await sync_to_async(lambda: self.cache_key)()

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    async def acreate(self) -> None:
        await sync_to_async(self.create)()

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)

    async def aget_expiry_age(self, **kwargs: Any) -> int:
        return await sync_to_async(self.get_expiry_age)(**kwargs)

    async def aget_expiry_date(self, **kwargs: Any) -> datetime:
        return await sync_to_async(self.get_expiry_date)(**kwargs)

    async def aflush(self) -> None:
        await sync_to_async(self.flush)()

    async def acycle_key(self, token_version: int | None = None) -> None:
        await sync_to_async(self.cycle_key)(token_version)  # type: ignore[call-arg]

    async def _aget_new_session_key(self) -> str:
        return self._get_new_session_key()

    async def aexists(self, session_key: str) -> bool:
        return await sync_to_async(self.exists)(session_key)

    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)

"""Who is calling, as far as a server can tell: an address and a user agent.

Needs Django. Gives `Client`, a frozen value that rows copy from; nothing keeps the request.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Self

from django.conf import settings
from django.http import HttpRequest

USER_AGENT_LENGTH = 256
# The first that is found decides: Edge and Opera also say Chrome, Chrome says Safari, Android says Linux.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "Chrome/": "Chrome",
    "CriOS/": "Chrome",
    "Safari/": "Safari",
    "curl/": "curl",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


@dataclass(frozen=True)
class Client:
    """One caller. `address` is "" where there is none (a Unix socket, a management command)."""

    address: str = ""
    user_agent: str = ""

    @classmethod
    def of(cls, request: HttpRequest | None) -> Self:
        """The caller of `request`; an empty client for `None`."""
        if request is None:
            return cls()
        agent = "".join(c for c in request.headers.get("User-Agent", "") if c.isprintable())
        return cls(_address(request), agent[:USER_AGENT_LENGTH])

    @property
    def digest(self) -> str:
        """What a browser keeps between visits: 64 hex digits over its user agent, not its address."""
        return hashlib.sha256(self.user_agent.encode(errors="replace")).hexdigest()

    @property
    def network(self) -> str:
        """The address to count by. One IPv6 customer holds a /64, and so 2^64 addresses to fail from."""
        if ":" not in self.address:
            return self.address
        return str(ipaddress.ip_network(f"{self.address}/64", strict=False))


def name_of(user_agent: str) -> str:
    """Browser and system, for a list; the beginning of a user agent that names neither."""
    found = [next((name for mark, name in marks.items() if mark in user_agent), "") for marks in (BROWSERS, SYSTEMS)]
    return " on ".join(filter(None, found)) or user_agent[:60] or "unknown"


def _address(request: HttpRequest) -> str:
    """Each proxy of ours appended the peer it saw; what stands left of those was written by the client."""
    chain = [request.META.get("REMOTE_ADDR", "")]
    if settings.TRUSTED_PROXIES:
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")
        chain = [entry.strip() for entry in forwarded if entry.strip()] + chain
    candidate = chain[-min(settings.TRUSTED_PROXIES + 1, len(chain))]
    try:
        address = ipaddress.ip_address(candidate.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)

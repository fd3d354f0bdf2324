"""The client of a request, as far as a server can know it: an address and a user agent.

Needs Django. Gives `Client`, a frozen value that is copied into rows, so that nothing has to keep the request.
"""

import hashlib
import ipaddress
import logging
import re
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from django.http import HttpRequest

from security.conf import conf

logger = logging.getLogger("site.client")

USER_AGENT_LENGTH = 256
# An address as proxies may write it (RFC 7239, section 6): IPv6 in brackets, and IPv4 or IPv6 with a port.
WITH_PORT = re.compile(r"(?:\[([^\]]*)\]|([0-9.]+))(?::[0-9]{1,5})?")
BLANKS_AND_QUOTES = ' \t"'
# Seconds between two warnings of one process, and how many characters of the unreadable address they show.
WARN_EVERY, LOGGED_LENGTH = 60, 40
UNREADABLE = (
    "A client's address cannot be read, so the throttle works without it. TRUSTED_PROXIES must be the number of your "
    "proxies, and each must append the address it sees to X-Forwarded-For."
)
# The first match decides: Edge and Opera also say Chrome, Chrome says Safari, Android says Linux.
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
    """One caller. `address` is "" if none can be read (a Unix socket, a management command, `unknown`).

    Clients with the address "" have nothing in common, so nothing may be counted by it. See
    `security.throttle.login_limits`.
    """

    address: str = ""
    user_agent: str = ""

    @classmethod
    def of(cls, request: HttpRequest | None) -> Self:
        """The caller of `request`; an empty client for `None`."""
        if request is None:
            return cls()
        agent = request.META.get("HTTP_USER_AGENT", "")
        if not agent.isprintable():
            agent = "".join(filter(str.isprintable, agent))
        return cls(address_of(request), agent[:USER_AGENT_LENGTH])

    @property
    def user_agent_hash(self) -> str:
        """The SHA-256 of the user agent, in 64 hex digits. It recognises a browser that comes from a new address."""
        return hashlib.sha256(self.user_agent.encode(errors="replace")).hexdigest()

    @property
    def network(self) -> str:
        """What to count by, "" for none: an IPv4 address, or the /64 of an IPv6 one, because a customer gets a /64."""
        if ":" not in self.address:
            return self.address
        return str(ipaddress.ip_network(f"{self.address}/64", strict=False))


def name_of(user_agent: str) -> str:
    """Browser and system, for a list. Of a user agent that names neither, the first 60 characters."""
    found = [next((name for mark, name in marks.items() if mark in user_agent), "") for marks in (BROWSERS, SYSTEMS)]
    return " on ".join(filter(None, found)) or user_agent[:60] or "unknown"


def address_of(request: HttpRequest) -> str:
    """The address of the client in normal form; "" if it cannot be read."""
    entry = _entry(request)
    address = _read(entry)
    if not address:
        _warn(entry)
    return address


def _entry(request: HttpRequest) -> str:
    """The entry of our outermost proxy. Each of our proxies appends the peer it saw; the client may write the rest.

    Without proxies it is the peer. Blank entries count too: a proxy that sees no address may append an empty one, and
    the client wrote the entry before it. If there are fewer entries than proxies, the peer is a proxy, and its address
    would stand for everyone.
    """
    if not conf.TRUSTED_PROXIES:
        return str(request.META.get("REMOTE_ADDR", ""))
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    return entries[-conf.TRUSTED_PROXIES] if len(entries) >= conf.TRUSTED_PROXIES else ""


# Called for each request, and most come from few addresses. The cache is bounded, because clients write entries.
@lru_cache(maxsize=256)
def _read(entry: str) -> str:
    text = entry.strip(BLANKS_AND_QUOTES)
    if written := WITH_PORT.fullmatch(text):
        text = written[1] or written[2] or ""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


class _Warned:
    """When this process last warned, by the monotonic clock."""

    at: float | None = None


def _warn(entry: str) -> None:
    # Not for each request: all of them may have such an entry, and a client can write one on purpose.
    now = time.monotonic()
    if _Warned.at is None or now - _Warned.at >= WARN_EVERY:
        _Warned.at = now
        logger.warning(UNREADABLE, extra={"trusted_proxies": conf.TRUSTED_PROXIES, "entry": entry[:LOGGED_LENGTH]})

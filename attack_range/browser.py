"""The one Chromium of the range. It is started for the first case that needs it and ends when it is idle.

All of it happens in one thread, for Playwright's objects belong to the thread that made them; so cases run one at a
time. Playwright comes with `requirements-dev.txt`, which `make prove` installs, and downloads nothing.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from attack_range import hosts, preparation

T = TypeVar("T")
# Seconds without a case after which Chromium ends.
IDLE = 20
# Milliseconds that a page is waited for.
PATIENCE = 10_000
# Chromium lets a cookie without SameSite go along with a POST from another site for two minutes after it was set. With
# this feature, made for tests, it is ten seconds.
SHORT_WINDOW = 10
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Or Chromium starts a spare process for every page.
    "--renderer-process-limit=1",
    # Chromium makes two pages of its own for the address bar of each profile, which no case looks at. This list takes
    # the place of Playwright's, of which it keeps what would change an address or ask the network.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades,MediaRouter,OptimizationHints,"
    "NetworkTimeServiceQuerying",
    "--enable-features=ShortLaxAllowUnsafeThreshold",
    # No name but the range's is found, so that nothing can leave this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, " + ", ".join(f"EXCLUDE {name}" for name in hosts.ALL),
]
NO_DRIVER = "What drives Chromium is not installed. Type make prove once: it installs that, too."
NO_CHROMIUM = "There is no Chromium on the PATH of the attack range. On Debian: apt install chromium"


class Unavailable(Exception):
    """There is no Chromium, or nothing that drives it. The sentence says what to do."""


class Chromium:
    """Starts Chromium when it is needed. Only `in_its_thread` may touch it."""

    def __init__(self) -> None:
        # The release that was started last; "" before the first start.
        self.release = ""
        self._thread = ThreadPoolExecutor(1, "chromium")
        self._driver: Any = None
        self._browser: Any = None
        self._profile = ""
        self._timer: threading.Timer | None = None

    def in_its_thread(self, work: Callable[[], T]) -> T:
        """What `work` gives, once all that was asked before is done."""
        return self._thread.submit(self._do, work).result()

    def _do(self, work: Callable[[], T]) -> T:
        from django.db import connections

        if self._timer:
            self._timer.cancel()
        try:
            return work()
        finally:
            connections.close_all()
            self._timer = threading.Timer(IDLE, lambda: self._thread.submit(self.close))
            self._timer.daemon = True
            self._timer.start()

    @property
    def browser(self) -> Any:
        """Playwright's `Browser`. Raises `Unavailable`."""
        if self._browser is None or not self._browser.is_connected():
            self.close()
            self._start()
        return self._browser

    def _start(self) -> None:
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            raise Unavailable(NO_DRIVER) from None
        path = shutil.which("chromium") or shutil.which("google-chrome")
        if not path:
            raise Unavailable(NO_CHROMIUM)
        self._driver = sync_playwright().start()
        # A folder of its own: the profile of the person at this machine is never touched.
        self._profile = tempfile.mkdtemp(prefix=preparation.PROFILE, dir=preparation.folder())
        self._browser = self._driver.chromium.launch(
            executable_path=path, args=SWITCHES, env=_environment(self._profile)
        )
        self.release = self._browser.version

    def close(self) -> None:
        """Ends it. Does nothing when there is none."""
        if self._browser is not None and self._browser.is_connected():
            self._browser.close()
        if self._driver is not None:
            self._driver.stop()
        shutil.rmtree(self._profile, ignore_errors=True) if self._profile else None
        self._driver = self._browser = None
        self._profile = ""


def _environment(home: str) -> dict[str, Any]:
    # Not all of this process's: that holds what `.env` says. Of a moved clock, all of it is moved: Chromium's own waits
    # fail where one kind of clock stays behind.
    passed_on = ("PATH", "TZ", "LD_PRELOAD", "FAKETIME")
    return {name: os.environ[name] for name in passed_on if name in os.environ} | {"HOME": home}


CHROMIUM = Chromium()

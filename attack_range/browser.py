"""The one Chromium of the range. It starts for the first case that needs it, and ends when it is idle.

Playwright's objects can only be used in the thread that created them. All cases run in that thread, one at a time.
`make prove` installs Playwright with `requirements-dev.txt`. It downloads no browser.
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
# Milliseconds to wait for a page.
PATIENCE = 10_000
# Seconds. For two minutes after a cookie without SameSite was set, Chromium sends it with a POST from another site. A
# feature of Chromium for tests, switched on below, shortens this to ten seconds.
SHORT_WINDOW = 10
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Without it Chromium starts an extra process for each page.
    "--renderer-process-limit=1",
    # Chromium creates two pages for the address bar of each profile, which no case needs. This list replaces that of
    # Playwright, so it repeats the features that would change an address or use the network.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades,MediaRouter,OptimizationHints,"
    "NetworkTimeServiceQuerying",
    "--enable-features=ShortLaxAllowUnsafeThreshold",
    # Chromium resolves no other names than those of the range. Otherwise a weak page could contact another machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, " + ", ".join(f"EXCLUDE {name}" for name in hosts.ALL),
]
NO_DRIVER = "Playwright, which drives Chromium, is not installed. Type make prove once, which installs it."
NO_CHROMIUM = "There is no Chromium on the PATH of the attack range. On Debian: apt install chromium"


class Unavailable(Exception):
    """Chromium or Playwright is not installed. The message says what to do."""


class Chromium:
    """Starts Chromium when it is needed. Only functions passed to `in_its_thread` may use it."""

    def __init__(self) -> None:
        # The version of the Chromium that was started last. "" before the first start.
        self.release = ""
        self._thread = ThreadPoolExecutor(1, "chromium")
        self._driver: Any = None
        self._browser: Any = None
        self._profile = ""
        self._timer: threading.Timer | None = None

    def in_its_thread(self, work: Callable[[], T]) -> T:
        """Runs `work` in Chromium's thread, after the work that was submitted before, and returns its result."""
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
        """Playwright's `Browser`, started if needed. Raises `Unavailable`."""
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
        # A temporary folder, so that Chromium does not use the profile of the person at this machine.
        self._profile = tempfile.mkdtemp(prefix=preparation.PROFILE, dir=preparation.folder())
        self._browser = self._driver.chromium.launch(
            executable_path=path, args=SWITCHES, env=_environment(self._profile)
        )
        self.release = self._browser.version

    def close(self) -> None:
        """Ends Chromium and Playwright, if they run, and deletes the temporary folder."""
        if self._browser is not None and self._browser.is_connected():
            self._browser.close()
        if self._driver is not None:
            self._driver.stop()
        shutil.rmtree(self._profile, ignore_errors=True) if self._profile else None
        self._driver = self._browser = None
        self._profile = ""


def _environment(home: str) -> dict[str, Any]:
    # Only some of this process's variables, because the others include those of `.env`. LD_PRELOAD and FAKETIME move
    # the clocks in tests. FAKETIME_DONT_FAKE_MONOTONIC is left out: with one clock unmoved, Chromium's waits fail.
    passed_on = ("PATH", "TZ", "LD_PRELOAD", "FAKETIME")
    return {name: os.environ[name] for name in passed_on if name in os.environ} | {"HOME": home}


CHROMIUM = Chromium()

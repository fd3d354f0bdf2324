"""The processes of one run: honcho's, with what it lacks to leave none of them behind.

Needs honcho. Gives `Processes`, to be used like `honcho.manager.Manager`.
"""

import multiprocessing
import os
import signal
import threading
from typing import Any

from honcho.manager import Manager
from honcho.process import Process


class Processes(Manager):  # type: ignore[misc]
    """Ends every process at a signal, at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self._process_ctor = FollowingProcess
        # Closing the terminal would end this process alone and leave the others with the port.
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))

    def terminate(self) -> None:
        # A process that has not yet reported its id cannot be ended; stock code fails on it with a
        # KeyError and leaves all of them running.
        if self._all_started():
            super().terminate()

    def _any_stopped(self) -> bool:
        # The loop asks this to decide about an end. A signal counts too, so that the end which
        # `terminate` put off comes, and what ignores it is killed after some seconds.
        return self.returncode is not None or super()._any_stopped()


class FollowingProcess(Process):  # type: ignore[misc]
    """A process that does not outlive the launcher."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        signal.signal(signal.SIGHUP, lambda *_: None)
        threading.Thread(target=self._follow_launcher, daemon=True).start()
        super().run(events, ignore_signals)

    def _follow_launcher(self) -> None:
        # A launcher that was killed ends no process; the next start would find the port and the store taken.
        launcher = multiprocessing.parent_process()
        assert launcher
        launcher.join()
        os.killpg(self._child.pid, signal.SIGTERM)
        os._exit(1)

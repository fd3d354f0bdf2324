"""The processes of one run: honcho's, with what it lacks to leave none of them behind.

Needs honcho. Gives `Processes`, to be used like `honcho.manager.Manager`.
"""

import multiprocessing
import os
import signal
import subprocess
import threading
from typing import Any

from honcho.manager import Manager
from honcho.process import Popen, Process


class Processes(Manager):  # type: ignore[misc]
    """Ends every process at a signal, at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self._process_ctor = FollowingProcess
        # Closing the terminal would end this process alone and leave the others with the port.
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))

    def add_process(
        self, name: str, cmd: str, *options: Any, optional: bool = False, direct: bool = False, **more: Any
    ) -> Process:
        """As in honcho. When an `optional` process ends, however it does, the others go on and the status is theirs.

        The standard output of a `direct` process is this one's. Of another each line is read here, gets a clock and
        the name of the process, and is printed.
        """
        process = super().add_process(name, cmd, *options, **more)
        process.optional = optional
        if direct:
            # honcho's own name for what it calls; without it each line would be copied again, as a test would show.
            process._child_ctor = DirectPopen
        return process

    def terminate(self) -> None:
        # A process that has not yet reported its id cannot be ended; stock code fails on it with a
        # KeyError and leaves all of them running.
        if self._all_started():
            super().terminate()

    def _all_stopped(self) -> bool:
        # An optional process does not report its end, so it would be waited for without end, and a later
        # signal would go to whatever process has its number by then.
        for name, entry in list(self._processes.items()):
            if entry["obj"].optional and "pid" in entry and not entry["process"].is_alive():
                del self._processes[name]
        return super()._all_stopped()

    def _any_stopped(self) -> bool:
        # The loop asks this to decide about an end. A signal counts too, so that the end which
        # `terminate` put off comes, and what ignores it is killed after some seconds.
        return self.returncode is not None or super()._any_stopped()


class DirectPopen(Popen):  # type: ignore[misc]
    """A child that writes to the launcher's own standard output. What comes by the pipe is its standard error alone.

    Copying a line takes longer than the request that it is about. honcho reads the pipe to its end, which is still the
    end of the last process that has it.
    """

    def __init__(self, cmd: str, **options: Any) -> None:
        super().__init__(cmd, stdout=None, stderr=subprocess.PIPE, **options)
        self.stdout = self.stderr


class FollowingProcess(Process):  # type: ignore[misc]
    """A process that does not outlive the launcher."""

    optional = False

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        signal.signal(signal.SIGHUP, lambda *_: None)
        threading.Thread(target=self._follow_launcher, daemon=True).start()
        super().run(events, ignore_signals)

    def _send_message(self, data: Any, type: str = "line") -> None:
        if self.optional and type == "stop":
            # At this message the loop would end all the others.
            data, type = f"ended (rc={data['returncode']})\n", "line"
        super()._send_message(data, type)

    def _follow_launcher(self) -> None:
        # A launcher that was killed ends no process; the next start would find the port and the store taken.
        launcher = multiprocessing.parent_process()
        assert launcher
        launcher.join()
        os.killpg(self._child.pid, signal.SIGTERM)
        os._exit(1)

"""The processes of one run. Extends honcho, so that none of them is left running afterwards.

Needs honcho. Gives `Processes`, which is used like `honcho.manager.Manager`.
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
    """Ends every process at a signal, whenever it comes."""

    def __init__(self) -> None:
        super().__init__()
        self._process_ctor = FollowingProcess
        # Without it, closing the terminal would end only this process, and the others would keep the port.
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))

    def add_process(
        self, name: str, cmd: str, *options: Any, optional: bool = False, direct: bool = False, **more: Any
    ) -> Process:
        """As in honcho. The end of an `optional` process ends no other process and does not count for the exit status.

        A `direct` process writes to the standard output of this process. The output of any other is read here, and each
        line is printed with the time and the name of the process.
        """
        process = super().add_process(name, cmd, *options, **more)
        process.optional = optional
        if direct:
            # An attribute of honcho that is not public. If a later honcho ignores it, a test fails.
            process._child_ctor = DirectPopen
        return process

    def terminate(self) -> None:
        # A process that has not yet reported its id cannot be ended. honcho would fail with a KeyError and leave all of
        # them running.
        if self._all_started():
            super().terminate()

    def _all_stopped(self) -> bool:
        # An optional process does not report its end. honcho would wait for it without end, and could later send a
        # signal to another process that has got the same number.
        for name, entry in list(self._processes.items()):
            if entry["obj"].optional and "pid" in entry and not entry["process"].is_alive():
                del self._processes[name]
        return super()._all_stopped()

    def _any_stopped(self) -> bool:
        # honcho's loop asks this to decide whether to end. It must also be true after a signal that `terminate` could
        # not carry out yet; processes that ignore the end are then killed after some seconds.
        return self.returncode is not None or super()._any_stopped()


class DirectPopen(Popen):  # type: ignore[misc]
    """A child that writes to the launcher's own standard output. Only its standard error comes through the pipe.

    To copy a line of the log takes longer than the request that the line is about. honcho reads the pipe to its end,
    which comes when the last process that has it open ends.
    """

    def __init__(self, cmd: str, **options: Any) -> None:
        super().__init__(cmd, stdout=None, stderr=subprocess.PIPE, **options)
        self.stdout = self.stderr


class FollowingProcess(Process):  # type: ignore[misc]
    """A process that ends with the launcher."""

    optional = False

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        signal.signal(signal.SIGHUP, lambda *_: None)
        threading.Thread(target=self._follow_launcher, daemon=True).start()
        super().run(events, ignore_signals)

    def _send_message(self, data: Any, type: str = "line") -> None:
        if self.optional and type == "stop":
            # This message would make honcho's loop end all the others.
            data, type = f"ended (rc={data['returncode']})\n", "line"
        super()._send_message(data, type)

    def _follow_launcher(self) -> None:
        # A launcher that is killed cannot end its processes. The next start would find the port and the store in use.
        launcher = multiprocessing.parent_process()
        assert launcher
        launcher.join()
        os.killpg(self._child.pid, signal.SIGTERM)
        os._exit(1)

"""Serves the range with gunicorn, on loopback, at two ports. One process, because attempts are kept in its memory."""

import os
import threading
import time
from typing import Any

from gunicorn.app.base import BaseApplication

from attack_range import hosts, preparation

THREADS = 16


def end_with_parent(server: Any, worker: Any) -> None:
    """Ends the worker within a second after its parent has ended.

    gunicorn's own check waits for the threads, and a thread may hang.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, without a configuration file and command line."""

    def load_config(self) -> None:
        address = preparation.bind_host()
        shown = f"[{address}]" if ":" in address else address
        options: dict[str, Any] = {
            "bind": [f"{shown}:{hosts.port()}", f"{shown}:{hosts.other_port()}"],
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "timeout": 0,
            "graceful_timeout": 2,
            "keepalive": 5,
            "loglevel": "warning",
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
            "control_socket_disable": True,
            "post_fork": end_with_parent,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The WSGI application. It is imported in the worker process."""
        from attack_range.wsgi import application

        return application


def serve() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    Server().run()

"""gunicorn's configuration for each of the Python processes. SERVICE in the environment names the process."""

import os
import threading
import time
from typing import Any

from services.places import HOST, Places

places, service = Places.of_environment(), os.environ["SERVICE"]
bind = [f"unix:{places.auth_socket}" if service == "auth" else f"{HOST}:{places.port(service)}"]
# Otherwise other users of this machine could connect to the socket of `auth` and get internal tokens.
umask = 0o077
workers, worker_class, threads = 1, "gthread", 8
# The settings of `auth` create a key. Loaded in the worker, they would create another one each time a worker restarts.
preload_app = True
timeout, graceful_timeout, keepalive = 30, 1, 15
http_parser = "python"
# WSGI would read X_User_ID as X-User-ID. The gateway writes the header with hyphens, so the other comes from a client.
header_map = "refuse"
limit_request_fields, limit_request_field_size = 60, 8190
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
# At "warning", gunicorn logs an invalid method as the client wrote it, and that text may contain a credential.
loglevel = "error"
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Ends this process within a second after its parent has ended, even when the parent was killed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def post_fork(server: Any, worker: Any) -> None:
    """Does the same in the worker, whose parent is gunicorn's master process."""
    when_ready(server)

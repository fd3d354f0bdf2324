"""How each of the Python processes serves: gunicorn reads this file. SERVICE in the environment says which it is."""

import os
import threading
import time
from typing import Any

from services.places import HOST, Places

places, service = Places.of_environment(), os.environ["SERVICE"]
bind = [f"unix:{places.auth_socket}" if service == "auth" else f"{HOST}:{places.port(service)}"]
# The socket is for the user who started it.
umask = 0o077
workers, worker_class, threads = 1, "gthread", 8
# A key that is made at the start is made once, whatever happens to the process that serves.
preload_app = True
timeout, graceful_timeout, keepalive = 30, 1, 15
http_parser = "python"
# The gateway has written the headers of an identity. Another spelling of their names is a client's.
header_map = "refuse"
limit_request_fields, limit_request_field_size = 60, 8190
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
# At "warning" it quotes a method that there is not, in which a client may have written a credential.
loglevel = "error"
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Ends with the process that started it, also when that was killed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def post_fork(server: Any, worker: Any) -> None:
    """Likewise for the process that serves."""
    when_ready(server)

"""How the web process serves: gunicorn reads this file.

`PORT`, `WEB_HOST` and `WEB_WORKERS` come from the environment or `.env`.
"""

import gc
import os
import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config import environment

try:
    environment.take_env_file()
    bind = [environment.bind()]
    workers = environment.number("WEB_WORKERS", 2, 1000)
except ImproperlyConfigured as error:
    # gunicorn shows anything else with a traceback.
    sys.exit(str(error))
# By it a process knows how many cores it has to itself, in which it may hash passwords.
os.environ["WEB_CONCURRENCY"] = str(workers)
# gunicorn's threads, without what holds them up, and with /healthz beside them.
worker_class = "config.worker.Worker"
# Requests that are handled at once in a process; a login that waits for others is not counted. With 4, a request costs
# a tenth less, for fewer wait for the interpreter's lock, but four that wait for one locked row hold up all others.
threads = 8
# Loads the project once, in the master: a configuration the checks refuse ends the start there and then.
preload_app = True
# Seconds. Above every time-out of a store, so that a hung store is a 503 of ours and no killed worker.
timeout = 30
graceful_timeout = 3
# Left to itself gunicorn takes another parser where gunicorn_h1c happens to be installed; the tests hold this one.
http_parser = "python"
# Bytes and fields of one request's head; more is refused before Python sees it.
limit_request_line = 4094
limit_request_fields = 50
limit_request_field_size = 8190
# Nothing a client says about the scheme is believed here; Django does so when TRUSTED_PROXIES is set.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
# `make run HTTPS=1` makes a certificate and names it here.
if "TLS_FOLDER" in os.environ:
    certfile, keyfile = f"{os.environ['TLS_FOLDER']}/site.pem", f"{os.environ['TLS_FOLDER']}/site.key"
control_socket_disable = True


def pre_fork(server: Any, worker: Any) -> None:
    """Hides everything that is loaded by now from the garbage collector, before each worker is forked.

    Otherwise each full collection of a worker looks through some 120,000 objects that are never garbage, and no request
    is answered for more than a tenth of a second.
    """
    gc.collect()
    gc.freeze()


def pre_request(worker: Any, req: Any) -> None:
    """Joins the `Cookie` lines of a request by `; `, for HTTP/2 lets a client split them (RFC 9113 section 8.2.3).

    gunicorn would join them by a comma, which is part of a value.
    """
    cookies = [value for name, value in req.headers if name == "COOKIE"]
    if len(cookies) > 1:
        req.headers = [header for header in req.headers if header[0] != "COOKIE"]
        req.headers.append(("COOKIE", "; ".join(cookies)))


logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"mask": {"()": "config.log.MaskFilter"}},
    "formatters": {"json": {"()": "config.log.JsonFormatter"}},
    "handlers": {
        "out": {
            "class": "config.log.Output",
            "stream": "ext://sys.stdout",
            "formatter": "json",
            "filters": ["mask"],
        },
        # A logger that finds no handler at all writes to standard error, as plain text and unmasked.
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["out"], "level": "INFO"},
    "loggers": {
        "gunicorn.error": {"handlers": ["out"], "level": "WARNING", "propagate": False},
        "gunicorn.access": {"handlers": ["nowhere"], "level": "CRITICAL", "propagate": False},
    },
}

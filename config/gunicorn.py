"""The configuration of gunicorn, the web process.

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
    # gunicorn would show any other exception with a traceback.
    sys.exit(str(error))
# Each process reads this variable to compute how many cores it may use for hashing passwords.
os.environ["WEB_CONCURRENCY"] = str(workers)
# gunicorn's threaded worker, in which slow clients block no thread and /healthz has a thread of its own.
worker_class = "config.worker.Worker"
# The number of requests that one process handles at once, not counting logins that wait for other logins. With 4, a
# request costs a tenth less, because fewer threads wait for the interpreter's lock. But four requests that wait for
# one locked row would then block all others.
threads = 8
# The master loads the project before it starts workers, so a failed check ends the start at once.
preload_app = True
# Seconds. Longer than the time-outs of the stores: if a store hangs, the answer is a 503 and no worker is killed.
timeout = 30
graceful_timeout = 3
# By default gunicorn uses another parser if gunicorn_h1c is installed. The tests cover this one.
http_parser = "python"
# Bytes and number of fields in the head of a request. gunicorn refuses longer ones before Django sees them.
limit_request_line = 4094
limit_request_fields = 50
limit_request_field_size = 8190
# gunicorn believes no header about the scheme. Django believes X-Forwarded-Proto if TRUSTED_PROXIES is set.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
# `make run HTTPS=1` makes a certificate and sets this variable.
if "TLS_FOLDER" in os.environ:
    certfile, keyfile = f"{os.environ['TLS_FOLDER']}/site.pem", f"{os.environ['TLS_FOLDER']}/site.key"
control_socket_disable = True


def pre_fork(server: Any, worker: Any) -> None:
    """Before a worker is forked, hides all objects that are loaded by then from the garbage collector.

    Otherwise each full collection of a worker goes through some 120,000 objects that never become garbage. During that
    time, more than a tenth of a second, the worker answers no request.
    """
    gc.collect()
    gc.freeze()


def pre_request(worker: Any, req: Any) -> None:
    """Joins several `Cookie` lines of a request by `; `. HTTP/2 lets a client split them (RFC 9113 section 8.2.3).

    gunicorn would join them by a comma, and a cookie's value can contain a comma.
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
        # A logger without any handler would write plain text to standard error, unmasked.
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["out"], "level": "INFO"},
    "loggers": {
        "gunicorn.error": {"handlers": ["out"], "level": "WARNING", "propagate": False},
        "gunicorn.access": {"handlers": ["nowhere"], "level": "CRITICAL", "propagate": False},
    },
}

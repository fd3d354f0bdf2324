"""Keeps the log lines about a command's own requests out of the command's output."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def logging_silenced() -> Iterator[None]:
    """Silences log records up to WARNING, and sends errors to standard error instead of standard output."""
    handlers = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)]
    before = [(handler, handler.stream) for handler in handlers if handler.stream is sys.stdout]
    for handler, _ in before:
        handler.setStream(sys.stderr)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for handler, stream in before:
            handler.setStream(stream)

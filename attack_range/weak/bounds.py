"""Limits what the weak servers store, so that many requests do not fill the memory of this process."""

from collections import OrderedDict
from typing import Any


def forget(kept: OrderedDict[Any, Any] | list[Any], most: int) -> None:
    """Deletes the oldest entries until at most `most` are left."""
    while len(kept) > most:
        if isinstance(kept, list):
            del kept[0]
        else:
            kept.popitem(last=False)

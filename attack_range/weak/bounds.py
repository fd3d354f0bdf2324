"""Bounds what the weak servers keep, so that many requests do not fill the memory of this process."""

from collections import OrderedDict
from typing import Any


def forget(kept: OrderedDict[Any, Any] | list[Any], most: int) -> None:
    """Forgets the oldest entries until there are no more than `most`."""
    while len(kept) > most:
        if isinstance(kept, list):
            del kept[0]
        else:
            kept.popitem(last=False)

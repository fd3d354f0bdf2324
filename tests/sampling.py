"""Picks the parameters that `make test` uses of a long list. `make test-all` uses all."""

from collections.abc import Container, Iterable
from typing import Any

import pytest


def sampled(values: Iterable[Any], kept: Container[Any]) -> list[Any]:
    """Parameters of which only those in `kept` belong to `make test`; the others repeat what these show."""

    def left_out(value: Any) -> Any:
        return pytest.param(*value if isinstance(value, tuple) else [value], marks=pytest.mark.exhaustive)

    values = list(values)
    assert any(value in kept for value in values), "make test would hold none of these"
    return [value if value in kept else left_out(value) for value in values]

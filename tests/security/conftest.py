"""Hashes are cheap in these tests, except in the two files that test their cost."""

import pytest

from security.hashers import Argon2id

REAL = ("test_hashers.py", "test_backends.py")


@pytest.fixture(autouse=True)
def cheap_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.path.name not in REAL:
        monkeypatch.setattr(Argon2id, "memory_cost", 8)
        monkeypatch.setattr(Argon2id, "time_cost", 1)

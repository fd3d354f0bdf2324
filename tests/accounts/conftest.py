"""Hashes are cheap in these tests."""

from tests.security.conftest import cheap_hashes  # noqa: F401

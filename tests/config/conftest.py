"""Hashes are cheap in these tests."""

from tests.sessions_demo.conftest import cheap_hashes  # noqa: F401  (a fixture)

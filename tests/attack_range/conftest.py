"""One attack range for each test worker. Tests cannot import it; they send requests as the site's proofs do."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.running import Range

# Variables that the launcher of a site passes to the range.
OF_A_SITE = {
    "SECRET_KEY": "of-the-site-beside-it-0123456789abcdefghij",
    "JWT_ACCESS_KEYS": "for-access-tokens-0123456789-abcdefghij,ed25519:" + "A1-_" * 10 + "abc",
    "JWT_REFRESH_KEYS": "for-refresh-tokens-0123456789-abcdefghij",
    "JWT_KEY_FILE": "/of-the-site-beside-it/keys.json",
    "EMAIL_URL": "smtp://someone:a-word-for-mail@mail.example.org",
}


@pytest.fixture(scope="session")
def attack_range() -> Iterator[Range]:
    """A running attack range."""
    with Range(**OF_A_SITE) as attack_range:
        yield attack_range


@pytest.fixture(scope="session")
def chromium() -> None:
    """Skips a test whose cases need Chromium if there is none, but not in CI."""
    if not shutil.which("chromium"):
        assert "REQUIRE_BROWSER" not in os.environ, "There is no Chromium on the PATH."
        pytest.skip("There is no Chromium on the PATH. On Debian: apt install chromium")

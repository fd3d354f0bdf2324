"""What a hash costs is the subject of no file here."""

from tests.security.conftest import cheap_hashes  # noqa: F401

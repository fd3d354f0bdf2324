"""What a hash costs is not the subject here."""

from tests.sessions_demo.conftest import cheap_hashes  # noqa: F401  (a fixture)

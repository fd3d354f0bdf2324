"""Fixtures for the tests of the notes: Alice with a session and with a token, and a note of Alice and of Bob."""

from typing import Any

import pytest

from accounts.models import User
from notes.models import Note
from security.hashers import Argon2id
from tests.jwt_demo import conftest as jwt
from tests.jwt_demo.conftest import whole  # noqa: F401  (a fixture)
from tests.sessions_demo import conftest as session

PAGE, API = "/notes/", "/notes/api/"
FLOWS: dict[str, Any] = {"session": session, "token": jwt}


def one(note: Note) -> str:
    """The JSON address of this note."""
    return f"{API}{note.pk}"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes are cheap in these tests."""
    monkeypatch.setattr(Argon2id, "memory_cost", 8)
    monkeypatch.setattr(Argon2id, "time_cost", 1)


@pytest.fixture(params=FLOWS)
def client(request: pytest.FixtureRequest, alice: User) -> Any:
    """A client that is logged in as Alice, in each flow."""
    return FLOWS[request.param].logged_in()


@pytest.fixture
def at_alice(alice: User) -> session.Visitor:
    """A browser that is logged in as Alice, with a session."""
    return session.logged_in()


@pytest.fixture
def alices(alice: User) -> Note:
    return Note.objects.create(owner=alice, text="Alice's")


@pytest.fixture
def bobs(bob: User) -> Note:
    return Note.objects.create(owner=bob, text="Bob's")

"""The notes as JSON: a user gets only their own, by a session or a token, and refusals are those of the whole site."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from notes.models import Note
from security.revocation import revoke_access
from tests.conftest import Browser, Cost
from tests.jwt_demo import conftest as jwt
from tests.notes.conftest import API, FLOWS, one
from tests.sessions_demo import conftest as session

LONGEST = 200
METHODS = [("GET", API), ("POST", API)] + [(method, f"{API}1") for method in ("GET", "PUT", "PATCH", "DELETE")]
MARKUP = "<script>alert(1)</script>&amp;"


def texts() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def test_the_same_rows_by_a_session_and_by_a_token(alice: User) -> None:
    by_session, by_token = session.logged_in(), jwt.logged_in()
    made = by_session.call("POST", API, {"text": "by session"})
    assert made.status_code == by_token.call("POST", API, {"text": "by token"}).status_code == 201
    assert made.json() == {"id": made.json()["id"], "text": "by session", "created": made.json()["created"]}
    lists = [client.call("GET", API).json() for client in (by_session, by_token)]
    assert lists[0] == lists[1]
    assert [note["text"] for note in lists[0]] == ["by token", "by session"]
    assert set(Note.objects.values_list("owner", flat=True)) == {alice.pk}


def test_a_note_is_read_changed_and_deleted(client: Any, alices: Note) -> None:
    assert client.call("GET", one(alices)).json()["text"] == "Alice's"
    assert client.call("PUT", one(alices), {"text": "put"}).json()["text"] == "put"
    assert client.call("PATCH", one(alices), {"text": "patched"}).json()["text"] == "patched"
    assert client.call("PATCH", one(alices), {}).json()["text"] == "patched"
    assert texts() == ["patched"]
    assert client.call("DELETE", one(alices)).status_code == 204
    assert client.call("GET", one(alices)).status_code == 404


@pytest.mark.parametrize(("method", "path"), METHODS)
def test_without_a_credential_it_is_401_with_a_challenge(db: None, method: str, path: str) -> None:
    answer = jwt.Holder().call(method, path, None if method == "GET" else {"text": "a"})
    assert (answer.status_code, answer.json()) == (401, {"error": "Not authenticated"})
    assert answer["WWW-Authenticate"] == 'Bearer realm="jwt"'
    assert answer["Cache-Control"] == "no-store"
    assert not Note.objects.exists()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_session_without_the_csrf_token_writes_nothing(alices: Note, method: str) -> None:
    at_alice = session.logged_in()
    path = API if method == "POST" else one(alices)
    for token in ("", "x" * 32):
        answer = at_alice.call(method, path, {"text": "forged"}, token=token)
        assert (answer.status_code, answer.json()["error"]) == (403, "Forbidden")
        assert answer.json()["detail"].startswith("CSRF check: ")
    assert texts() == ["Alice's"]


def test_a_token_needs_no_csrf_token_and_counts_before_the_cookie(alice: User, bob: User) -> None:
    both = session.logged_in("bob@example.com")
    bearer = {"Authorization": f"Bearer {jwt.logged_in().access}"}
    assert both.call("POST", API, {"text": "whose?"}, token="", headers=bearer).status_code == 201
    assert Note.objects.get().owner == alice


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_note_of_another_user_is_404_and_stays(client: Any, bobs: Note, method: str) -> None:
    answer = client.call(method, one(bobs), None if method == "GET" else {"text": "taken"})
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})
    assert texts() == ["Bob's"]


def test_a_list_holds_no_note_of_another_user(client: Any, alices: Note, bobs: Note) -> None:
    assert [note["id"] for note in client.call("GET", API).json()] == [alices.pk]


def test_no_body_names_an_owner_an_id_or_a_time(client: Any, alice: User, alices: Note, bob: User) -> None:
    forged = {"owner": bob.pk, "owner_id": bob.pk, "id": 77, "pk": 77, "created": "2000-01-01T00:00:00Z"}
    assert client.call("POST", API, {"text": "new"} | forged).status_code == 201
    for method in ("PUT", "PATCH"):
        assert client.call(method, one(alices), {"text": "changed"} | forged).status_code == 200
    notes = list(Note.objects.all())
    assert {note.owner for note in notes} == {alice}
    assert len(notes) == 2
    assert all(note.pk != 77 and note.created.year > 2000 for note in notes)


BAD = [None, "", "\0", "a\0b", "\ud800", "a" * (LONGEST + 1), 42, 1.5, True, [], ["a"], {}, {"a": "b"}]


@pytest.mark.parametrize("text", BAD, ids=repr)
def test_what_is_no_text_is_400_and_names_the_field(client: Any, alices: Note, text: Any) -> None:
    for method, path in (("POST", API), ("PUT", one(alices)), ("PATCH", one(alices))):
        answer = client.call(method, path, {"text": text})
        assert answer.status_code == 400
        assert list(answer.json()["fields"]) == ["text"]
    assert texts() == ["Alice's"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"null", b'{"text": "a", "text": "b"}', b"\xff"])
def test_what_is_no_object_is_400(client: Any, body: bytes) -> None:
    answer = client.call("POST", API, body)
    assert (answer.status_code, "error" in answer.json()) == (400, True)
    assert not Note.objects.exists()


@pytest.mark.parametrize("text", [MARKUP, " kept as it is ", "{{ 7 }}{% now 'Y' %}", "a" * LONGEST, "\u202e\U0001f9ea"])
def test_a_text_is_given_back_as_it_was_sent(client: Any, text: str) -> None:
    made = client.call("POST", API, {"text": text})
    assert (made.status_code, made.json()["text"], texts()) == (201, text, [text])
    assert made["Content-Type"] == "application/json"


def test_markup_in_a_note_is_inert_on_the_browsable_page(alice: User) -> None:
    note = Note.objects.create(owner=alice, text=MARKUP)
    at_alice = session.logged_in()
    for path in (API, one(note)):
        page = at_alice.get(path, headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert b"&lt;script&gt;alert(1)" in page.content
        assert b"<script>alert(1)" not in page.content


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_another_media_type_is_415(client: Any, kind: str) -> None:
    answer = client.call("POST", API, b"text=a", content_type=kind)
    assert (answer.status_code, "error" in answer.json()) == (415, True)
    assert not Note.objects.exists()


def test_a_body_that_is_too_large_is_413(client: Any) -> None:
    answer = client.call("POST", API, {"text": "a" * 70_000})
    assert (answer.status_code, answer.json()["error"]) == (413, "Too large")


@pytest.mark.parametrize("pk", ["0", "9" * 23, "x", "1.5", "-1", "%00", "9" * 5000])
def test_an_id_that_cannot_be_is_404(client: Any, pk: str) -> None:
    answer = client.call("GET", f"{API}{pk}")
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


@pytest.mark.parametrize("revoke", ["revoked", "deactivated", "deleted"])
def test_a_user_whose_access_is_revoked_is_401_at_the_next_call(
    alice: User, transactional_db: None, revoke: str
) -> None:
    clients = [flow.logged_in() for flow in FLOWS.values()]
    Note.objects.create(owner=alice, text="Alice's")
    if revoke == "revoked":
        revoke_access(alice, "test")
    elif revoke == "deactivated":
        alice.is_active = False
        alice.save()
    else:
        alice.delete()
    left = texts()
    assert left == [] if revoke == "deleted" else ["Alice's"]
    for client in clients:
        for method in ("GET", "POST"):
            assert client.call(method, API, None if method == "GET" else {"text": "late"}).status_code == 401
    assert texts() == left


# (SQL statements, Redis commands). SQL: the user's row, and the notes or the new one. Redis: record or denylist.
COSTS = {"session": {"GET": (2, 1), "POST": (2, 1)}, "token": {"GET": (2, 1), "POST": (2, 1)}}


@pytest.mark.parametrize("flow", FLOWS)
def test_what_a_request_costs(
    alice: User, alices: Note, whole: None, flow: str, measured: Callable[[], AbstractContextManager[Cost]]
) -> None:
    client, found = FLOWS[flow].logged_in(), {}
    for method in ("GET", "POST"):
        with measured() as cost:
            client.call(method, API, None if method == "GET" else {"text": "a"})
        assert cost.hashes == 0
        found[method] = (len(cost.sql), len(cost.redis))
    assert found == COSTS[flow]


def test_the_browsable_page_lists_the_notes_and_takes_one(alices: Note) -> None:
    at_alice = session.logged_in()
    for path in (API, one(alices)):
        page = at_alice.get(path, headers={"Accept": "text/html"}).content.decode()
        assert "Alice&#x27;s" in page
        assert 'name="body"' in page
    closed = Browser().get(API, headers={"Accept": "text/html"})
    assert closed.status_code == 401
    assert f"{reverse('session:login_page')}?next={API}" in closed.content.decode()


def test_what_is_not_there_is_json_for_a_client_that_names_no_type(db: None) -> None:
    answer = Client().get(f"{API}nothing/at/all")
    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


def test_a_session_writes_with_the_csrf_token_says_the_description(db: None) -> None:
    schema = json.loads(Client().get("/schema/?format=json").content)
    for path in (API, f"{API}{{id}}"):
        for method, operation in schema["paths"][path].items():
            csrf = {} if method == "get" else {"csrf": []}
            assert operation["security"] == [{"bearer": []}, csrf | {"session": []}]
            assert {"400", "401", "403", "404", "415", "503"} <= operation["responses"].keys()

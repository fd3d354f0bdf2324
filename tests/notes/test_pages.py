"""The page of the notes: adding and deleting, no access to other users' notes, and the admin."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from notes.models import Note
from tests.conftest import Browser
from tests.notes.conftest import API, PAGE
from tests.sessions_demo.conftest import SESSION, Visitor


def delete(note: Note) -> str:
    """The address that deletes this note."""
    return f"{PAGE}{note.pk}/delete/"


def test_a_user_adds_a_note_and_deletes_it(at_alice: Visitor, alice: User) -> None:
    assert "No note yet" in at_alice.get(PAGE).content.decode()
    added = at_alice.submit(PAGE, {"text": "milk"})
    assert (added.status_code, added["Location"]) == (302, PAGE)
    assert list(Note.objects.values_list("owner", "text")) == [(alice.pk, "milk")]
    assert "milk" in at_alice.get(PAGE).content.decode()
    deleted = at_alice.submit(delete(Note.objects.get()))
    assert (deleted.status_code, deleted["Location"]) == (302, PAGE)
    assert not Note.objects.exists()


def test_the_page_leads_to_the_api_and_to_both_logins(at_alice: Visitor) -> None:
    page = at_alice.get(PAGE).content.decode()
    for path in (API, "/session/login/", "/jwt/"):
        assert f'href="{path}"' in page


def test_the_page_is_linked_from_every_other(at_alice: Visitor, browser: Browser) -> None:
    for client in (at_alice, browser):
        assert f'href="{PAGE}"' in client.get("/").content.decode()


@pytest.mark.parametrize("text", ["<img src=x onerror=alert(1)>", "</li><script>alert(2)</script>", "{{ 7 }}"])
def test_markup_in_a_note_is_text(at_alice: Visitor, text: str) -> None:
    at_alice.submit(PAGE, {"text": text})
    assert Note.objects.get().text == text
    page = at_alice.get(PAGE).content.decode()
    assert text.replace("<", "&lt;").replace(">", "&gt;") in page
    assert "<img src=x" not in page
    assert "<script>alert(2)" not in page


@pytest.mark.parametrize("text", ["", " ", "a" * 201, "a\0b"])
def test_what_is_no_text_is_said_on_the_page(at_alice: Visitor, text: str) -> None:
    answer = at_alice.submit(PAGE, {"text": text})
    assert answer.status_code == 200
    assert "Please look at this again" in answer.content.decode()
    assert not Note.objects.exists()


def test_without_the_csrf_token_nothing_is_added_or_deleted(at_alice: Visitor, alices: Note) -> None:
    for path in (PAGE, delete(alices)):
        assert at_alice.post(path, {"text": "forged"}).status_code == 403
    assert [note.text for note in Note.objects.all()] == ["Alice's"]


def test_no_form_names_an_owner(at_alice: Visitor, alice: User, bob: User) -> None:
    at_alice.submit(PAGE, {"text": "a", "owner": bob.pk, "owner_id": bob.pk})
    assert Note.objects.get().owner == alice


def test_a_note_of_another_user_is_not_shown_and_not_deleted(at_alice: Visitor, bobs: Note) -> None:
    assert "Bob" not in at_alice.get(PAGE).content.decode()
    assert at_alice.submit(delete(bobs)).status_code == 404
    assert Note.objects.get() == bobs


@pytest.mark.parametrize("method", ["get", "submit"])
def test_without_a_session_the_page_asks_for_a_login(browser: Browser, alices: Note, method: str) -> None:
    for path in (PAGE, delete(alices)):
        answer = getattr(browser, method)(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/session/login/?next={path}")
    assert Note.objects.get() == alices


def test_a_press_of_delete_that_led_to_the_login_page_leads_back_to_the_notes(at_alice: Visitor, alices: Note) -> None:
    assert at_alice.get(delete(alices))["Location"] == PAGE
    assert Note.objects.get() == alices


def test_the_page_of_a_revoked_user_is_closed(at_alice: Visitor, alice: User, alices: Note) -> None:
    alice.is_active = False
    alice.save()
    assert at_alice.get(PAGE)["Location"].startswith("/session/login/")
    assert at_alice.submit(PAGE, {"text": "late"})["Location"].startswith("/session/login/")
    assert Note.objects.get() == alices


def test_a_token_alone_opens_no_page(alice: User) -> None:
    from tests.jwt_demo.conftest import logged_in

    holder = logged_in()
    assert SESSION not in holder.cookies
    assert holder.call("GET", PAGE)["Location"].startswith("/session/login/")


def test_the_admin_shows_notes_and_deletes_a_user_with_them(admin: User, bobs: Note, browser: Browser) -> None:
    browser.force_login(admin)
    path = f"/admin/notes/note/{bobs.pk}/change/"
    for shown in ("/admin/notes/note/", "/admin/notes/note/?q=bob", path):
        page = browser.get(shown)
        assert page.status_code == 200
        assert "Bob&#x27;s" in page.content.decode()
    assert browser.submit(path, {"text": "changed"}).status_code == 403
    assert browser.get("/admin/notes/note/add/").status_code == 403
    answer = browser.submit(f"/admin/accounts/user/{bobs.owner_id}/delete/", {"post": "yes"})
    assert answer["Location"] == "/admin/accounts/user/"
    assert not Note.objects.exists()


def test_the_table_can_be_taken_away_and_put_back(transactional_db: Any) -> None:
    try:
        call_command("migrate", "notes", "zero", verbosity=0)
        assert Note._meta.db_table not in connection.introspection.table_names()
    finally:
        call_command("migrate", "notes", verbosity=0)
    assert Note._meta.db_table in connection.introspection.table_names()

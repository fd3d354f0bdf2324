"""Sessions in Django's admin: staff with the permission find, see and end them, however many there are."""

import re
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from security.models import SecurityEvent
from sessions_demo.models import DeviceSession
from tests.conftest import PASSWORDS, Clock
from tests.running import Store
from tests.sessions_demo.conftest import SECOND, Visitor, fingerprint, logged_in
from tests.sessions_demo.test_budgets import fill

LIST = "/admin/sessions_demo/devicesession/"


def rows(answer: Any) -> set[DeviceSession]:
    assert answer.status_code == 200
    return set(answer.context["cl"].result_list)


def act(visitor: Visitor, action: str, *sessions: DeviceSession, **more: Any) -> Any:
    return visitor.submit(LIST, {"action": action, "_selected_action": [str(row.pk) for row in sessions], **more})


def staff(*permissions: str) -> Visitor:
    """A member of staff who has only these permissions."""
    carol = User.objects.create_user("carol@example.com", "correct horse carol", role="admin")
    carol.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    visitor = Visitor({"User-Agent": "staff/1.0"})
    assert visitor.log_in(carol.email, "correct horse carol").status_code == 302
    return visitor


def test_the_list_shows_whose_since_when_and_from_where(at_admin: Visitor, at_alice: Visitor) -> None:
    page = at_admin.get(LIST)
    assert rows(page) == {at_admin.row, at_alice.row}
    for text in (b"alice@example.com", b"127.0.0.1", b"live"):
        assert text in page.content
    assert at_alice.session_id.encode() not in page.content
    assert at_alice.row.digest.encode() not in page.content


def test_live_and_ended_are_told_apart(at_admin: Visitor, at_alice: Visitor, second: Visitor, clock: Clock) -> None:
    clock(0)
    out, idle = logged_in(agent="out/1.0"), logged_in(agent="idle/1.0")
    DeviceSession.objects.filter(pk=out.row.pk).mark_ended("test")
    clock(3 * 3600)
    visitor = Visitor()
    visitor.log_in("admin@example.com")
    # The other sessions started in another year of the frozen clock.
    DeviceSession.objects.exclude(pk__in=[out.row.pk, idle.row.pk, visitor.row.pk]).delete()
    assert rows(visitor.get(LIST, {"state": "live"})) == {visitor.row}
    assert rows(visitor.get(LIST, {"state": "ended"})) == {out.row, idle.row}
    assert rows(visitor.get(LIST)) == {visitor.row, out.row, idle.row}
    shown = visitor.get(LIST).content
    assert b"expired" in shown
    assert b"(test)" in shown


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("alice@example.com", {"alice@example.com"}),
        ("ALICE@Example.com", {"alice@example.com"}),
        ("alice", set()),
        ("@example.com", set()),
        ("198.51.100.7", {"bob@example.com"}),
        ("198.51.100", set()),
        ("%", set()),
        ("'; DROP TABLE x; --", set()),
    ],
)
def test_the_search_is_for_a_whole_address(
    at_admin: Visitor, at_alice: Visitor, at_bob: Visitor, query: str, found: set[str]
) -> None:
    DeviceSession.objects.filter(pk=at_bob.row.pk).update(address="198.51.100.7")
    assert {row.user.email for row in rows(at_admin.get(LIST, {"q": query})) if row.user} == found


def test_an_administrator_ends_one_and_it_is_written_down(
    at_admin: Visitor, admin: User, at_alice: Visitor, second: Visitor, at_bob: Visitor, alice: User
) -> None:
    row = second.row
    assert act(at_admin, "end", row).status_code == 302
    assert [visitor.whoami() for visitor in (second, at_alice, at_bob, at_admin)] == [401, 200, 200, 200]
    row.refresh_from_db()
    assert row.reason == f"ended by administrator {admin.pk}"
    event = SecurityEvent.objects.get(name=SecurityEvent.Name.SESSION_REVOKED)
    assert (event.user_key, event.detail["reason"]) == (str(alice.pk), f"ended by administrator {admin.pk}")


def test_an_administrator_ends_all_of_a_user(
    at_admin: Visitor, at_alice: Visitor, second: Visitor, at_bob: Visitor
) -> None:
    assert act(at_admin, "end_all_of_user", second.row).status_code == 302
    assert [visitor.whoami() for visitor in (at_alice, second, at_bob, at_admin)] == [401, 401, 200, 200]


def test_the_answer_says_how_many_were_ended(at_admin: Visitor, at_alice: Visitor, second: Visitor) -> None:
    said = []
    for action, row in (("end", second.row), ("end_all_of_user", second.row), ("end", second.row)):
        answer = at_admin.submit(LIST, {"action": action, "_selected_action": [str(row.pk)]}, follow=True)
        said += [str(message) for message in answer.context["messages"]]
    assert said == ["1 session ended.", "1 session ended.", "Nothing was ended: there was no live session."]
    other, third = logged_in(agent="other/1.0"), logged_in(agent="third/1.0")
    answer = at_admin.submit(
        LIST, {"action": "end", "_selected_action": [str(other.row.pk), str(third.row.pk)]}, follow=True
    )
    assert [str(message) for message in answer.context["messages"]] == ["2 sessions ended."]


def test_a_live_session_has_a_button_that_ends_it(at_admin: Visitor, at_alice: Visitor) -> None:
    path = f"{LIST}{at_alice.row.pk}/change/"
    page = at_admin.get(path)
    assert "End this session" in page.content.decode()
    button = {"action": page.context["end_action"], "_selected_action": str(at_alice.row.pk)}
    assert at_admin.submit(page.context["end_page"], button).status_code == 302
    assert at_alice.whoami() == 401
    assert "End this session" not in at_admin.get(path).content.decode()


def test_who_may_only_look_has_no_such_button(at_alice: Visitor) -> None:
    visitor = staff("view_devicesession")
    page = visitor.get(f"{LIST}{at_alice.row.pk}/change/")
    assert page.status_code == 200
    assert "End this session" not in page.content.decode()


def test_the_list_names_the_administrator_who_ended_a_session(at_admin: Visitor, second: Visitor) -> None:
    act(at_admin, "end", second.row)
    assert "(ended by administrator admin@example.com)" in at_admin.get(LIST).content.decode()
    row = DeviceSession.objects.get(pk=second.row.pk)
    assert "admin@example.com" not in row.reason


def test_rows_of_a_deleted_user_have_no_link(at_admin: Visitor, at_alice: Visitor, alice: User) -> None:
    row = at_alice.row
    User.objects.filter(pk=alice.pk)._raw_delete("default")
    for path in (LIST, f"{LIST}{row.pk}/change/"):
        page = at_admin.get(path).content.decode()
        assert ("deleted" in page, f"/user/{alice.pk}/" in page) == (True, False)


def test_without_an_admin_page_of_users_their_names_are_plain_text(at_admin: Visitor, at_alice: Visitor) -> None:
    registered = site._registry.pop(User)
    try:
        page = at_admin.get(LIST).content.decode()
    finally:
        site._registry[User] = registered
    assert ("alice@example.com" in page, "/user/" in page) == (True, False)


def test_a_session_begun_in_the_admin_is_ended_there_too(at_admin: Visitor, admin: User) -> None:
    other = Visitor({"User-Agent": SECOND})
    assert other.log_in(admin.email).status_code == 302
    assert act(at_admin, "end", other.row).status_code == 302
    assert other.get("/admin/").status_code == 302
    assert at_admin.get("/admin/").status_code == 200


@pytest.mark.parametrize("action", ["end", "end_all_of_user", "delete_selected"])
@pytest.mark.parametrize("permission", ["view_devicesession", "add_devicesession", "delete_devicesession"])
def test_who_may_only_look_ends_nothing(at_alice: Visitor, store: Store, action: str, permission: str) -> None:
    visitor = staff("view_devicesession", permission)
    assert rows(visitor.get(LIST)) == {visitor.row, at_alice.row}
    before = fingerprint(store)
    act(visitor, action, at_alice.row, post="yes")
    after = fingerprint(store)
    assert after["DeviceSession"] == before["DeviceSession"]
    assert at_alice.whoami() == 200


def test_who_may_change_may_end(at_alice: Visitor) -> None:
    visitor = staff("view_devicesession", "change_devicesession")
    assert act(visitor, "end", at_alice.row).status_code == 302
    assert at_alice.whoami() == 401


@pytest.mark.parametrize("who", ["nobody", "alice@example.com"])
def test_who_is_no_administrator_sees_nothing(at_alice: Visitor, second: Visitor, who: str) -> None:
    visitor = Visitor() if who == "nobody" else at_alice
    assert visitor.get(LIST).status_code == 302
    act(visitor, "end", second.row)
    assert second.whoami() == 200


def test_without_the_csrf_token_nothing_is_ended(at_admin: Visitor, at_alice: Visitor) -> None:
    data = {"action": "end", "_selected_action": [str(at_alice.row.pk)]}
    for wrong in ({}, {"csrfmiddlewaretoken": "a" * 32}):
        assert at_admin.post(LIST, data | wrong).status_code == 403
    assert at_alice.whoami() == 200


@pytest.mark.parametrize("path", ["add/", "{}/change/", "{}/delete/"])
def test_a_session_is_not_made_changed_or_removed_by_hand(at_admin: Visitor, at_alice: Visitor, path: str) -> None:
    row = at_alice.row
    answer = at_admin.submit(LIST + path.format(row.pk), {"post": "yes", "remember": "on", "version": "9"})
    assert answer.status_code == 403
    assert at_alice.row == row
    assert (at_alice.row.remember, at_alice.row.token_version) == (False, 0)


def test_a_session_can_be_looked_at(at_admin: Visitor, at_alice: Visitor) -> None:
    shown = at_admin.get(f"{LIST}{at_alice.row.pk}/change/")
    assert shown.status_code == 200
    assert at_alice.session_id.encode() not in shown.content


QUERIES = [{}, {"state": "live"}, {"state": "ended"}, {"q": "198.51.100.7"}, {"p": "2"}]


def test_a_hundred_thousand_rows_cost_no_more_statements_and_no_full_count(
    admin: User, bob: User, clock: Clock
) -> None:
    visitor = Visitor()
    visitor.log_in(admin.email)
    statements: list[list[list[str]]] = []
    for rows_now in (150, 100_000):
        DeviceSession.objects.filter(user=bob).delete()
        fill(bob, rows_now)
        statements.append([])
        for query in QUERIES:
            with CaptureQueriesContext(connection) as queries:
                answer = visitor.get(LIST, query)
            assert answer.status_code == 200
            statements[-1].append([re.sub(r"'[^']*'|\d+", "?", entry["sql"]) for entry in queries])
    assert statements[0] == statements[1]
    assert max(map(len, statements[1])) <= 5
    counts = [sql for page in statements[1] for sql in page if "COUNT(" in sql]
    assert counts
    assert all("LIMIT ?" in sql for sql in counts)


def test_a_password_set_by_an_administrator_is_no_word_of_this_list(at_admin: Visitor, alice: User) -> None:
    page = at_admin.get(LIST).content.decode()
    assert PASSWORDS["admin@example.com"] not in page
    assert "argon2" not in page

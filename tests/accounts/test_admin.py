"""What administrators can do, the events about it, and that the lists do not slow down with the number of rows."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from accounts.email import normalise
from accounts.models import User
from security.models import SecurityEvent
from tests.conftest import PASSWORDS, Browser

USERS, EVENTS = "/admin/accounts/user/", "/admin/security/securityevent/"
SESSIONS, FAMILIES = "/admin/sessions_demo/devicesession/", "/admin/jwt_demo/tokenfamily/"
OUTSTANDING = "/admin/token_blacklist/outstandingtoken/"
MANY = 100_000


@pytest.fixture
def at_work(admin: User, browser: Browser) -> Browser:
    browser.force_login(admin)
    return browser


def actions() -> list[tuple[str, Any, Any]]:
    """For each action of an administrator: the action, the user's address and the administrator."""
    found = SecurityEvent.objects.filter(name="authz_admin").order_by("pk")
    return [(event.detail["action"], event.email, event.detail["by"]) for event in found]


def user_form(user: User, **changed: Any) -> dict[str, Any]:
    fields = {"email": user.email, "name": user.name, "role": user.role}
    if user.is_active:
        fields["is_active"] = "on"
    return fields | changed


def test_an_administrator_creates_a_user(admin: User, at_work: Browser) -> None:
    new = {"email": "Carol@Example.com", "name": "Carol", "role": "member", "usable_password": "true"}
    new |= {"password1": "kqzvwxyj", "password2": "kqzvwxyj"}
    assert at_work.submit(f"{USERS}add/", new).status_code == 302
    carol = User.objects.get(email="carol@example.com")
    assert carol.check_password("kqzvwxyj")
    assert (carol.role, carol.is_superuser, carol.is_active) == ("member", False, True)
    assert actions() == [("added", "carol@example.com", str(admin.pk))]


@pytest.mark.parametrize("password", ["short", "password", "carol@example.com"])
def test_a_new_user_needs_a_good_password_there_too(at_work: Browser, password: str) -> None:
    new = {"email": "carol@example.com", "role": "member", "usable_password": "true"}
    assert at_work.submit(f"{USERS}add/", new | {"password1": password, "password2": password}).status_code == 200
    assert not User.objects.filter(email="carol@example.com").exists()


def test_an_address_that_is_taken_is_said_so(alice: User, at_work: Browser) -> None:
    new = {"email": "ALICE@example.com", "role": "member", "usable_password": "true"}
    answer = at_work.submit(f"{USERS}add/", new | {"password1": "kqzvwxyj", "password2": "kqzvwxyj"})
    assert answer.status_code == 200
    assert "email" in answer.context["adminform"].form.errors


def test_an_administrator_changes_a_role(admin: User, alice: User, at_work: Browser) -> None:
    assert at_work.submit(f"{USERS}{alice.pk}/change/", user_form(alice, role="admin")).status_code == 302
    alice.refresh_from_db()
    assert (alice.role, alice.is_staff) == ("admin", True)
    assert actions() == [("changed", alice.email, str(admin.pk))]
    assert SecurityEvent.objects.filter(name="authz_admin").get().detail["fields"] == ["Role"]


def test_a_role_nobody_knows_is_refused(alice: User, at_work: Browser) -> None:
    assert at_work.submit(f"{USERS}{alice.pk}/change/", user_form(alice, role="root")).status_code == 200
    alice.refresh_from_db()
    assert alice.role == "member"


def test_a_deactivated_user_is_out_at_her_next_request(admin: User, alice: User, at_work: Browser) -> None:
    session = Browser()
    session.force_login(alice)
    assert session.get("/accounts/password/").status_code == 200
    form = user_form(alice)
    del form["is_active"]
    assert at_work.submit(f"{USERS}{alice.pk}/change/", form).status_code == 302
    assert session.get("/accounts/password/").status_code == 302
    assert Browser().log_in(alice.email).status_code == 200
    assert actions() == [("changed", alice.email, str(admin.pk))]


def test_an_administrator_sets_a_password_and_ends_the_sessions(admin: User, alice: User, at_work: Browser) -> None:
    session = Browser()
    session.force_login(alice)
    new = {"usable_password": "true", "password1": "kqzvwxyj", "password2": "kqzvwxyj"}
    assert at_work.submit(f"{USERS}{alice.pk}/password/", new).status_code == 302
    alice.refresh_from_db()
    assert alice.check_password("kqzvwxyj")
    assert session.get("/accounts/password/").status_code == 302
    assert actions() == [("changed", alice.email, str(admin.pk))]


@pytest.mark.parametrize("spelling", ["{}", "0{}", "_3{}"])
def test_an_administrators_own_password_is_changed_where_the_current_one_is_asked_for(
    admin: User, at_work: Browser, spelling: str
) -> None:
    new = {"usable_password": "true", "password1": "kqzvwxyj", "password2": "kqzvwxyj"}
    answer = at_work.submit(f"{USERS}{spelling.format(admin.pk)}/password/", new)
    assert answer.status_code in (302, 404)
    admin.refresh_from_db()
    assert admin.check_password(PASSWORDS[admin.email])


def test_a_deletion_is_recorded_and_the_history_stays(admin: User, alice: User, at_work: Browser) -> None:
    Browser().log_in(alice.email, "wrong")
    assert at_work.submit(f"{USERS}{alice.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(email=alice.email).exists()
    assert actions() == [("deleted", alice.email, str(admin.pk))]
    assert SecurityEvent.objects.filter(name="authn_login_fail", email=alice.email).count() == 1


def test_deleting_many_at_once_records_each(admin: User, alice: User, bob: User, at_work: Browser) -> None:
    data = {"action": "delete_selected", "_selected_action": [alice.pk, bob.pk], "post": "yes"}
    assert at_work.submit(USERS, data).status_code == 302
    assert sorted(actions()) == [("deleted", user, str(admin.pk)) for user in (alice.email, bob.email)]


@pytest.mark.parametrize(("term", "found"), [("alice", 1), ("ALICE@EXAMPLE", 1), ("example.com", 3), ("carol", 0)])
def test_users_are_found_by_a_part_of_their_address(
    alice: User, bob: User, at_work: Browser, term: str, found: int
) -> None:
    assert at_work.get(USERS, {"q": term}).context["cl"].result_count == found


def test_events_are_found_by_address_or_id_and_filtered(alice: User, bob: User, at_work: Browser) -> None:
    for user in (alice, bob, bob):
        Browser().log_in(user.email, "wrong")
    searches: dict[str, Any] = {
        bob.email: 2,
        "BOB@example.com": 2,
        "bob": 0,
        str(alice.pk): 1,
        "10" * 20: 0,
        "\U0001f984": 0,
    }
    for term, count in searches.items():
        assert at_work.get(EVENTS, {"q": term}).context["cl"].result_count == count, term
    assert at_work.get(EVENTS, {"name": "authn_login_fail"}).context["cl"].result_count == 3
    assert at_work.get(EVENTS, {"at__gte": "2999-01-01 00:00:00+00:00"}).context["cl"].result_count == 0


@pytest.mark.parametrize("path", [USERS, EVENTS])
@pytest.mark.parametrize(
    "lookup",
    ["email__regex", "password__startswith", "email__icontains", "at__year", "id__in", "known_clients__digest"],
)
def test_no_look_up_but_those_offered_reaches_the_database(
    at_work: Browser, measured: Callable[..., Any], path: str, lookup: str
) -> None:
    with measured() as cost:
        assert at_work.get(path, {lookup: "1"}).status_code in (302, 400)
    assert not [sql for sql in cost.sql if "REGEXP" in sql or ("WHERE" in sql and " LIMIT 1" not in sql)], cost.sql


@pytest.mark.parametrize("chosen", ["x", "", "1 OR 1=1", "\u0661x"])
def test_an_action_on_what_is_no_row_is_refused(at_work: Browser, chosen: str) -> None:
    data = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    assert at_work.submit(USERS, data).status_code == 400
    assert User.objects.count() == 1


def test_events_are_read_only_for_everyone(admin: User, alice: User, at_work: Browser) -> None:
    Browser().log_in(alice.email, "wrong")
    event = SecurityEvent.objects.get(name="authn_login_fail")
    before = list(SecurityEvent.objects.values())
    assert at_work.get(f"{EVENTS}{event.pk}/change/").status_code == 200
    for path, data in (
        (f"{EVENTS}{event.pk}/change/", {"email": "x"}),
        (f"{EVENTS}{event.pk}/delete/", {"post": "yes"}),
        (f"{EVENTS}add/", {"name": "authn_login_fail"}),
    ):
        assert at_work.submit(path, data).status_code == 403, path
    at_work.submit(EVENTS, {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"})
    assert list(SecurityEvent.objects.values()) == before


@pytest.mark.parametrize("path", ["/admin/", USERS, EVENTS, f"{USERS}add/"])
def test_a_member_has_no_business_here(alice: User, browser: Browser, path: str) -> None:
    browser.force_login(alice)
    answer = browser.get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


def test_an_administrator_without_permissions_sees_and_changes_nothing(
    alice: User, bob: User, browser: Browser
) -> None:
    User.objects.filter(pk=alice.pk).update(role="admin")
    browser.force_login(User.objects.get(pk=alice.pk))
    assert browser.get("/admin/").status_code == 200
    for path in (USERS, EVENTS, f"{USERS}{bob.pk}/change/", f"{USERS}{bob.pk}/password/"):
        assert browser.get(path).status_code == 403
    assert browser.submit(f"{USERS}{alice.pk}/change/", user_form(alice, is_superuser="on")).status_code == 403


def test_what_a_visitor_left_renders_inert(alice: User, at_work: Browser) -> None:
    payload = "<script>alert(1)</script>"
    Browser({"User-Agent": payload}).log_in(alice.email, "wrong")
    User.objects.update(name=payload)
    for path in (USERS, EVENTS):
        page = at_work.get(path).content.decode()
        assert payload not in page
        assert "&lt;script&gt;" in page


NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)"
MANY_USERS = f"""
    INSERT INTO accounts_user
        (email, email_as_given, password, name, role, is_active, is_superuser, created)
    {NUMBERS} SELECT 'user' || i || '@example.com', 'user' || i || '@example.com', '!', '', 'member', true, false,
        CURRENT_TIMESTAMP FROM n
"""  # noqa: S608
MANY_EVENTS = f"""
    INSERT INTO security_securityevent (at, name, user_key, email, address, user_agent, detail)
    {NUMBERS} SELECT CURRENT_TIMESTAMP, 'authn_login_fail', i, 'user' || i || '@example.com', '', '', '{{}}' FROM n
"""  # noqa: S608


LISTS: list[tuple[str, dict[str, str]]] = [
    (USERS, {}),
    (USERS, {"q": "user7"}),
    (USERS, {"role__exact": "member"}),
    (USERS, {"p": "150"}),
    (EVENTS, {}),
    (EVENTS, {"q": "user77@example.com"}),
    (EVENTS, {"name": "authn_login_fail"}),
    (EVENTS, {"p": "150"}),
]


def statements(at_work: Browser, measured: Callable[..., Any], bounded: bool) -> list[int]:
    """The number of SQL statements for each list. With `bounded`, none of them may read a whole table."""
    counts = []
    for path, query in LISTS:
        with measured() as cost:
            assert at_work.get(path, query).status_code in (200, 302)
        counts.append(len(cost.sql))
        for sql in cost.sql:
            assert "COUNT(" not in sql or re.search(r"LIMIT 10000\)", sql), sql
            if bounded and re.search(r"FROM .(accounts_user|security_securityevent).(?! WHERE .*id. = )", sql):
                # A query for fifty rows or fewer has no LIMIT if the capped count found no more.
                assert "LIMIT" in sql or "LIKE" in sql or '"accounts_user"."id" IN (%s' in sql, sql
    return counts


def test_a_hundred_thousand_rows_cost_no_statement_more(at_work: Browser, measured: Callable[..., Any]) -> None:
    SecurityEvent.objects.create(name="authn_login_fail", email="user77@example.com", user_key="77")
    few = statements(at_work, measured, bounded=False)
    with connection.cursor() as cursor:
        cursor.execute(MANY_USERS, [MANY])
        cursor.execute(MANY_EVENTS, [MANY])
    many = statements(at_work, measured, bounded=True)
    for index, (path, query) in enumerate(LISTS):
        assert many[index] <= 6, (path, query)
        if "p" not in query:  # a page beyond the last one is a redirect
            assert many[index] == few[index], (path, query)


def test_the_address_as_given_is_what_is_edited_and_shown(admin: User, at_work: Browser) -> None:
    jo = User.objects.create_user("Jo@M\u00fcnchen.example")
    page = at_work.get(f"{USERS}{jo.pk}/change/")
    fields = page.context["adminform"].form
    assert fields.initial["email"] == "Jo@M\u00fcnchen.example"
    assert [name for name in fields.fields if "email" in name] == ["email"]
    assert "jo@xn--mnchen-3ya.example" in page.content.decode()
    assert "Jo@M\u00fcnchen.example" in at_work.get(USERS).content.decode()
    for address, fields_changed in [
        ("Jo@M\u00fcnchen.example", []),
        ("jo@m\u00fcnchen.example", ["E-mail address"]),
        ("jo@stra\u00dfe.example", ["E-mail address"]),
    ]:
        assert at_work.submit(f"{USERS}{jo.pk}/change/", user_form(jo, email=address)).status_code == 302
        jo.refresh_from_db()
        assert (jo.email_as_given, jo.email) == (address, normalise(address))
        assert SecurityEvent.objects.filter(name="authz_admin")[0].detail["fields"] == fields_changed


def test_a_user_whose_address_would_be_refused_today_can_be_banned(alice: User, at_work: Browser) -> None:
    bad, name = "jo@e\u202example.com", "Jo\u202e"
    User.objects.filter(pk=alice.pk).update(email_as_given=bad, name=name)
    form = user_form(alice, email=bad, name=name)
    del form["is_active"]
    assert at_work.submit(f"{USERS}{alice.pk}/change/", form).status_code == 302
    alice.refresh_from_db()
    assert not alice.is_active


def test_an_address_that_no_mail_could_be_sent_to_is_refused_there_too(alice: User, at_work: Browser) -> None:
    bad = "jo@e\u202example.com"
    new = {"email": bad, "role": "member", "usable_password": "true", "password1": "kqzvwxyj", "password2": "kqzvwxyj"}
    for path, form in ((f"{USERS}add/", new), (f"{USERS}{alice.pk}/change/", user_form(alice, email=bad))):
        answer = at_work.submit(path, form)
        assert answer.status_code == 200
        assert list(answer.context["adminform"].form.errors) == ["email"]
    assert User.objects.count() == 2


@pytest.mark.parametrize(
    "term", ["jo@m\u00fcnchen.example", "JO@M\u00dcNCHEN", "m\u00fcnchen", "jo@xn--mnchen-3ya.example", "mnchen-3ya"]
)
@pytest.mark.parametrize("given", ["jo@m\u00fcnchen.example", "jo@xn--mnchen-3ya.example"])
def test_users_are_found_by_either_form_of_a_domain(at_work: Browser, given: str, term: str) -> None:
    User.objects.create_user(given)
    assert at_work.get(USERS, {"q": term}).context["cl"].result_count == 1


@pytest.mark.parametrize("term", ["jo@m\u00fcnchen.example", "Jo@xn--mnchen-3ya.example"])
def test_everything_about_a_user_is_found_by_either_form_of_a_domain(at_work: Browser, term: str) -> None:
    jo = User.objects.create_user("jo@m\u00fcnchen.example", "correct horse jo")
    Browser().log_in(jo.email, "wrong")
    Browser().force_login(jo)
    body = {"email": jo.email, "password": "correct horse jo"}
    assert Browser().post("/jwt/auth/login", body, content_type="application/json").status_code == 200
    for path in (EVENTS, SESSIONS, FAMILIES, OUTSTANDING):
        found = at_work.get(path, {"q": term, **({"name": "authn_login_fail"} if path == EVENTS else {})})
        assert found.context["cl"].result_count == 1, path

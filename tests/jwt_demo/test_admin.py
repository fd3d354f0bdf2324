"""Families, outstanding and blacklisted tokens in Django's admin: who may see and end them, however many there are."""

import html
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User
from jwt_demo.key_rotation import reminders
from jwt_demo.models import TokenFamily
from security.models import SecurityEvent
from tests.conftest import Browser, Clock
from tests.jwt_demo.conftest import Holder, logged_in
from tests.jwt_demo.inside import begun
from tests.jwt_demo.rings import in_file, secrets_of
from tests.sampling import sampled

FAMILIES = "/admin/jwt_demo/tokenfamily/"
OUTSTANDING = "/admin/token_blacklist/outstandingtoken/"
BLACKLISTED = "/admin/token_blacklist/blacklistedtoken/"
LISTS = (FAMILIES, OUTSTANDING, BLACKLISTED)
transactional = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at_admin(admin: User) -> Browser:
    """The administrator's browser, logged in."""
    browser = Browser()
    assert browser.log_in(admin.email).status_code == 302
    return browser


def staff(*permissions: str) -> Browser:
    """A member of staff with these permissions only."""
    carol = User.objects.create_user("carol@example.com", "correct horse carol", role="admin")
    carol.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Browser()
    assert browser.log_in(carol.email, "correct horse carol").status_code == 302
    return browser


def act(browser: Browser, where: str, action: str, *rows: Any) -> Any:
    return browser.submit(where, {"action": action, "_selected_action": [str(row.pk) for row in rows]})


def rows(answer: Any) -> set[Any]:
    assert answer.status_code == 200
    return set(answer.context["cl"].result_list)


def entry(holder: Holder) -> OutstandingToken:
    """The outstanding token that is the latest of this client."""
    return OutstandingToken.objects.get(jti=holder.family.jti)


def test_the_lists_show_whose_from_where_and_in_what_state_and_no_token(at_admin: Browser, holder: Holder) -> None:
    tokens = [holder.refresh, holder.access]
    holder.rotate()
    tokens += [holder.refresh, holder.access]
    for path in LISTS:
        page = at_admin.get(path).content.decode()
        for text in ("alice@example.com", "127.0.0.1", str(holder.family.pk)):
            assert text in page
        for text in [*tokens, *(token.split(".")[2] for token in tokens), "sha256:"]:
            assert text not in page
    page = at_admin.get(OUTSTANDING).content.decode()
    assert "good" in page
    assert re.search(r"blacklisted \d+ \w+ 20", page)


def test_a_page_about_one_row_shows_no_token_either(at_admin: Browser, holder: Holder) -> None:
    holder.rotate()
    pages = [(FAMILIES, holder.family), (OUTSTANDING, entry(holder)), (BLACKLISTED, BlacklistedToken.objects.get())]
    for path, row in pages:
        answer = at_admin.get(f"{path}{row.pk}/change/")
        assert answer.status_code == 200
        assert holder.refresh.split(".")[2] not in answer.content.decode()
        assert "sha256:" not in answer.content.decode()


def test_a_family_shows_its_chain_of_generations(at_admin: Browser, holder: Holder) -> None:
    holder.rotate()
    holder.rotate()
    page = at_admin.get(f"{FAMILIES}{holder.family.pk}/change/").content.decode()
    lines = re.findall(r"<div>(\d+): (good|blacklisted)", page)
    assert lines == [("2", "good"), ("1", "blacklisted"), ("0", "blacklisted")]


def test_live_ended_good_and_blacklisted_are_told_apart(at_admin: Browser, holder: Holder, second: Holder) -> None:
    second.call("POST", "/jwt/auth/logout")
    ended = TokenFamily.objects.exclude(ended=None).get()
    assert rows(at_admin.get(FAMILIES, {"state": "live"})) == {holder.family}
    assert rows(at_admin.get(FAMILIES, {"state": "ended"})) == {ended}
    assert rows(at_admin.get(OUTSTANDING, {"state": "good"})) == {entry(holder)}
    assert rows(at_admin.get(OUTSTANDING, {"state": "blacklisted"})) == {OutstandingToken.objects.get(jti=ended.jti)}
    assert rows(at_admin.get(OUTSTANDING, {"state": "expired"})) == set()


@pytest.mark.parametrize("path", LISTS)
def test_the_search_is_for_a_whole_address(at_admin: Browser, holder: Holder, bob: User, path: str) -> None:
    logged_in("bob@example.com").rotate()
    holder.rotate()
    everything = rows(at_admin.get(path))
    mine = rows(at_admin.get(path, {"q": "alice@example.com"}))
    assert mine
    assert mine < everything
    for query in ("alice", "%", "'; DROP TABLE x; --"):
        assert rows(at_admin.get(path, {"q": query})) == set()


@transactional
def test_an_administrator_revokes_one_family_and_it_is_written_down(
    at_admin: Browser, admin: User, holder: Holder, second: Holder
) -> None:
    assert act(at_admin, FAMILIES, "revoke", second.family).status_code == 302
    assert (holder.whoami(), second.whoami(), second.rotate().status_code) == (200, 401, 401)
    event = SecurityEvent.objects.get(name=SecurityEvent.Name.TOKEN_REVOKED)
    assert event.detail["reason"] == f"ended by administrator {admin.pk}"


@transactional
def test_an_administrator_revokes_all_of_a_user(at_admin: Browser, bob: User, holder: Holder, second: Holder) -> None:
    other = logged_in("bob@example.com")
    assert act(at_admin, FAMILIES, "revoke_all_of_user", second.family).status_code == 302
    assert (holder.whoami(), second.whoami(), other.whoami()) == (401, 401, 200)


@transactional
def test_blacklisting_the_latest_token_ends_its_family_at_once(
    at_admin: Browser, holder: Holder, second: Holder
) -> None:
    assert act(at_admin, OUTSTANDING, "blacklist", entry(holder)).status_code == 302
    assert (holder.whoami(), holder.rotate().status_code, second.whoami()) == (401, 401, 200)
    assert BlacklistedToken.objects.filter(token__jti=holder.family.jti).count() == 1


@transactional
def test_the_answer_says_how_many_were_ended(at_admin: Browser, holder: Holder, second: Holder) -> None:
    first = [entry(holder), entry(second)]
    acts = [
        (FAMILIES, "revoke", [second.family]),
        (OUTSTANDING, "blacklist", first),
        (OUTSTANDING, "blacklist", first),
        (FAMILIES, "revoke_all_of_user", [holder.family]),
    ]
    said = []
    for path, action, chosen in acts:
        data = {"action": action, "_selected_action": [str(row.pk) for row in chosen]}
        said += [str(message) for message in at_admin.submit(path, data, follow=True).context["messages"]]
    assert said == [
        "1 token login ended.",
        "1 token blacklisted, 1 token login ended.",
        "Nothing was ended: these tokens were blacklisted before.",
        "Nothing was ended: there was no live token login.",
    ]


@transactional
def test_blacklisting_by_simplejwts_own_means_ends_the_family_too(holder: Holder, second: Holder) -> None:
    BlacklistedToken.objects.get_or_create(token=entry(holder))
    assert (holder.whoami(), holder.rotate().status_code, second.whoami()) == (401, 401, 200)


@transactional
def test_blacklisting_an_old_token_or_one_without_a_family_ends_nothing(
    at_admin: Browser, alice: User, holder: Holder
) -> None:
    first = entry(holder)
    foreign = OutstandingToken.objects.create(user=alice, jti="ab" * 16, token="x", expires_at=timezone.now())
    holder.rotate()
    assert act(at_admin, OUTSTANDING, "blacklist", first, foreign).status_code == 302
    assert (holder.whoami(), holder.rotate().status_code) == (200, 200)
    assert at_admin.get(OUTSTANDING).status_code == 200


@pytest.mark.parametrize("permission", ["view", "add", "delete"])
@pytest.mark.parametrize(
    ("model", "path", "action"),
    [
        ("tokenfamily", FAMILIES, "revoke"),
        ("tokenfamily", FAMILIES, "revoke_all_of_user"),
        ("outstandingtoken", OUTSTANDING, "blacklist"),
        ("outstandingtoken", OUTSTANDING, "delete_selected"),
    ],
)
def test_who_may_only_look_ends_nothing(holder: Holder, model: str, path: str, action: str, permission: str) -> None:
    browser = staff(f"view_{model}", f"{permission}_{model}")
    assert browser.get(path).status_code == 200
    act(browser, path, action, holder.family if path == FAMILIES else entry(holder))
    assert holder.whoami() == 200
    assert holder.family.ended is None


def test_what_is_due_of_the_keys_stands_over_the_families_for_staff_who_may_see_them(
    settings: Settings, tmp_path: Path, clock: Clock, alice: User
) -> None:
    path = in_file(settings, tmp_path / "keys.json")
    family = begun(alice).family
    clock(91 * 86_400)
    begun(alice)
    path.chmod(0o644)
    viewer, other = staff("view_tokenfamily", "change_tokenfamily"), staff_without()
    due = [html.escape(sentence) for sentence in reminders()]
    assert len(due) == 3
    page = viewer.get(FAMILIES).content.decode()
    assert [page.count(sentence) for sentence in due] == [1, 1, 1]
    assert not any(word in page for word in [str(path), *secrets_of(path)])
    # The same after an action, and on no other page.
    assert act(viewer, FAMILIES, "revoke", family).status_code == 302
    page = viewer.get(FAMILIES).content.decode()
    assert [page.count(sentence) for sentence in due] == [1, 1, 1]
    assert "is not in use" not in viewer.get("/admin/").content.decode()
    # Other users do not see it, neither here nor on a later page.
    for browser, status in ((other, 403), (Browser(), 302)):
        assert browser.get(FAMILIES).status_code == status
        assert "is not in use" not in browser.get("/admin/", follow=True).content.decode()


def staff_without() -> Browser:
    """A member of staff who may see no families."""
    User.objects.create_user("dave@example.com", "correct horse dave", role="admin")
    browser = Browser()
    assert browser.log_in("dave@example.com", "correct horse dave").status_code == 302
    return browser


@pytest.mark.parametrize("path", LISTS)
def test_rows_are_not_made_changed_or_removed_by_hand(at_admin: Browser, holder: Holder, path: str) -> None:
    holder.rotate()
    row = rows(at_admin.get(path)).pop()
    for end in ("add/", f"{row.pk}/change/", f"{row.pk}/delete/"):
        assert at_admin.submit(path + end, {"post": "yes"}).status_code == 403
    assert rows(at_admin.get(path)) >= {row}


NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)"
UUID = "printf('%%08x-0000-4000-8000-%%012x', i, i)"
FILL_FAMILIES = f"""{NUMBERS} INSERT INTO jwt_demo_tokenfamily (id, user_id, token_version, transport, policy, remember,
 address, user_agent, generation, void_below, jti, kid, rotated_by, issued, expires, started, authenticated,
 absolute_end, reason) SELECT replace({UUID}, '-', ''), %s, 0, 'cookie', '{{}}', 0,
 '192.0.2.1', '', 1, 0, {UUID} || '.1.x', 'k', '', %s, %s, %s, %s, %s, '' FROM n"""  # noqa: S608
FILL_OUTSTANDING = f"""{NUMBERS} INSERT INTO token_blacklist_outstandingtoken (user_id, jti, token, created_at,
 expires_at) SELECT %s, {UUID} || %s, 'sha256:', %s, %s FROM n"""  # noqa: S608
FILL_BLACKLISTED = """INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
 SELECT id, %s FROM token_blacklist_outstandingtoken WHERE jti LIKE '%%.0.x'"""


def fill(user: User, count: int) -> None:
    """Adds `count` families, each with a good and a blacklisted token, by four statements."""
    now = timezone.now()
    later = now + timezone.timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute(FILL_FAMILIES, [count, user.pk, now, later, now, now, later])
        for end in (".0.x", ".1.x"):
            cursor.execute(FILL_OUTSTANDING, [count, user.pk, end, now, later])
        cursor.execute(FILL_BLACKLISTED, [now])


QUERIES = {
    FAMILIES: [{}, {"state": "live"}, {"state": "ended"}, {"q": "192.0.2.1"}, {"p": "2"}],
    OUTSTANDING: [{}, {"state": "good"}, {"state": "blacklisted"}, {"q": "bob@example.com"}, {"p": "2"}],
    BLACKLISTED: [{}, {"q": "bob@example.com"}, {"p": "2"}],
}


@pytest.mark.parametrize("path", sampled(LISTS, {OUTSTANDING}))
def test_a_hundred_thousand_rows_cost_no_more_statements_and_no_full_count(
    at_admin: Browser, bob: User, path: str
) -> None:
    statements: list[list[list[str]]] = []
    for count in (150, 100_000):
        for model in (BlacklistedToken, OutstandingToken, TokenFamily):
            model._default_manager.all()._raw_delete("default")
        fill(bob, count)
        statements.append([])
        for query in QUERIES[path]:
            with CaptureQueriesContext(connection) as queries:
                assert len(rows(at_admin.get(path, query))) == (0 if query == {"state": "ended"} else 50)
            statements[-1].append([entry["sql"] for entry in queries])
    few, many = ([len(page) for page in pages] for pages in statements)
    assert few == many
    assert max(map(len, statements[1])) <= 6
    counts = [sql for page in statements[1] for sql in page if "COUNT(" in sql]
    assert counts
    assert all("LIMIT" in sql for sql in counts)


@transactional
def test_a_user_with_tokens_is_deleted_in_the_admin(at_admin: Browser, alice: User, holder: Holder) -> None:
    holder.rotate()
    assert at_admin.submit(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=alice.pk).exists()
    assert (holder.whoami(), holder.rotate().status_code) == (401, 401)
    for path in LISTS:
        assert at_admin.get(path).status_code == 200

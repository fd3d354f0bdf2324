"""Banning, lifting a ban and revoking access in the admin: with a reason, with an answer, and what is refused."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from accounts import access_admin, bans
from accounts.models import User
from security.models import SecurityEvent
from tests.conftest import Browser
from tests.running import Store
from tests.sessions_demo.conftest import SECOND, Visitor, logged_in

USERS, EVENTS = "/admin/accounts/user/", "/admin/security/securityevent/"
committed = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at_work(admin: User) -> Browser:
    browser = Browser()
    assert browser.log_in(admin.email).status_code == 302
    return browser


def with_token(email: str) -> Visitor:
    """A browser with a session. The user has a token login too."""
    visitor = logged_in(email)
    body = {"email": email, "password": f"correct horse {email.partition('@')[0]}"}
    assert Browser().post("/jwt/auth/login", body, content_type="application/json").status_code == 200
    return visitor


def page(user: User, end: str = "change") -> str:
    return f"{USERS}{user.pk}/{end}/"


def said(answer: Any) -> list[str]:
    """The messages of the page that follows."""
    assert answer.status_code == 200
    return [str(message) for message in answer.context["messages"]]


def chosen(action: str, *users: User, **more: str) -> dict[str, Any]:
    return {"action": action, "_selected_action": [str(user.pk) for user in users], **more}


@committed
def test_a_ban_ends_every_login_at_once_and_says_what_it_ended(alice: User, admin: User, at_work: Browser) -> None:
    visitor = with_token(alice.email)
    asked = at_work.get(page(alice, "ban")).content.decode()
    assert "Now: 1 session and 1 token login" in asked
    assert visitor.whoami() == 200
    answer = at_work.submit(page(alice, "ban"), {"reason": "stolen laptop"}, follow=True)
    assert said(answer) == ["alice@example.com is banned. Ended: 1 session, 1 token login."]
    assert answer.redirect_chain[-1][0] == page(alice)
    assert ">alice@example.com is banned." in answer.content.decode()
    assert visitor.whoami() == 401
    assert Visitor().sign_in(alice.email).status_code == 401
    event = SecurityEvent.objects.get(name="authz_admin")
    assert event.detail == {"by": str(admin.pk), "action": "banned", "reason": "stolen laptop"}
    assert "Banned: stolen laptop" in at_work.get(page(alice, "history")).content.decode()


@committed
def test_many_are_banned_from_the_list(alice: User, bob: User, at_work: Browser) -> None:
    with_token(alice.email), with_token(bob.email)
    asked = at_work.submit(USERS, chosen("ban", alice, bob)).content.decode()
    assert all(text in asked for text in ("Ban: 2 users", alice.email, bob.email))
    assert User.objects.filter(is_active=True).count() == 3
    answer = at_work.submit(USERS, chosen("ban", alice, bob, reason="spam"), follow=True)
    assert said(answer) == ["2 users are banned. Ended: 2 sessions, 2 token logins."]
    assert User.objects.filter(is_active=True).count() == 1


@committed
def test_a_ban_of_a_user_without_a_login_says_that_nothing_was_ended(alice: User, at_work: Browser) -> None:
    answer = at_work.submit(page(alice, "ban"), {"reason": "spam"}, follow=True)
    assert said(answer) == ["alice@example.com is banned. Nothing was ended: there was no login."]


@committed
def test_a_ban_while_the_store_is_away_says_what_is_left(alice: User, store: Store) -> None:
    store.kill()
    revocations = bans.ban(alice, "stolen laptop")
    store.start()
    assert [(row.reason, row.ended) for row in revocations] == [("banned: stolen laptop", None)]


@committed
def test_a_ban_is_lifted_and_what_it_ended_stays_ended(alice: User, at_work: Browser) -> None:
    visitor = with_token(alice.email)
    at_work.submit(page(alice, "ban"), {"reason": "mistaken"})
    banned = at_work.get(page(alice)).content.decode()
    assert ("Lift the ban</a>" in banned, ">Ban</a>" in banned) == (True, False)
    answer = at_work.submit(page(alice, "lift-ban"), {"reason": "it was Bob"}, follow=True)
    assert said(answer) == ["alice@example.com may log in again."]
    assert visitor.whoami() == 401
    assert Visitor().sign_in(alice.email).status_code == 200
    assert [event.detail["action"] for event in SecurityEvent.objects.filter(name="authz_admin").order_by("pk")] == [
        "banned",
        "ban lifted",
    ]


@committed
def test_unticking_active_says_what_it_ended_too(alice: User, at_work: Browser) -> None:
    with_token(alice.email)
    form = {"email": alice.email, "name": alice.name, "role": alice.role}
    answer = at_work.submit(page(alice), form, follow=True)
    assert said(answer)[-1] == "alice@example.com is banned. Ended: 1 session, 1 token login."
    with_token_after = at_work.submit(page(alice), form | {"is_active": "on", "name": "Al"}, follow=True)
    assert said(with_token_after)[-1] == "Nothing was ended: there was no login."


@committed
def test_a_new_password_and_a_deletion_say_what_they_ended(alice: User, bob: User, at_work: Browser) -> None:
    with_token(alice.email), with_token(bob.email)
    new = {"usable_password": "true", "password1": "kqzvwxyj", "password2": "kqzvwxyj"}
    assert said(at_work.submit(page(alice, "password"), new, follow=True))[-1] == "Ended: 1 session, 1 token login."
    gone = at_work.submit(page(bob, "delete"), {"post": "yes"}, follow=True)
    assert said(gone)[-1] == "Ended: 1 session, 1 token login."


@committed
def test_a_change_that_ends_nothing_says_nothing_about_it(alice: User, at_work: Browser) -> None:
    form = {"email": alice.email, "name": "Al", "role": alice.role, "is_active": "on"}
    (message,) = said(at_work.submit(page(alice), form, follow=True))
    assert message.endswith("changed successfully.")


@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_the_page_asks_again(alice: User, at_work: Browser, reason: str) -> None:
    answer = at_work.submit(page(alice, "ban"), {"reason": reason})
    assert (answer.status_code, b'name="reason"' in answer.content) == (200, True)
    alice.refresh_from_db()
    assert alice.is_active


def test_nobody_bans_himself(admin: User, alice: User, at_work: Browser) -> None:
    User.objects.create_superuser("root@example.com", "correct horse root")
    itself = "You cannot ban yourself."
    asked = at_work.get(page(admin, "ban")).content.decode()
    assert (itself in asked, 'name="reason"' in asked) == (True, False)
    assert said(at_work.submit(page(admin, "ban"), {"reason": "x"}, follow=True)) == [itself]
    # From the list, the others are banned all the same.
    answer = at_work.submit(USERS, chosen("ban", admin, alice, reason="x"), follow=True)
    assert said(answer)[0] == itself
    assert said(answer)[1].startswith("alice@example.com is banned.")
    form = {"email": admin.email, "name": admin.name, "role": admin.role, "is_superuser": "on"}
    assert at_work.submit(page(admin), form).context["adminform"].form.errors == {"is_active": [itself]}
    admin.refresh_from_db()
    assert admin.is_active


def test_the_last_superuser_is_not_banned(admin: User, alice: User) -> None:
    carol = User.objects.create_user("carol@example.com", "correct horse carol", role="admin")
    carol.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    browser = Browser()
    assert browser.log_in(carol.email, "correct horse carol").status_code == 302
    (refused,) = said(browser.submit(page(admin, "ban"), {"reason": "x"}, follow=True))
    assert refused == "admin@example.com is the last superuser and cannot be banned. Name another superuser first."
    # A superuser without the role cannot open the admin.
    User.objects.filter(pk=alice.pk).update(is_superuser=True)
    (refused,) = said(browser.submit(page(admin, "ban"), {"reason": "x"}, follow=True))
    assert "is the last superuser" in refused
    User.objects.filter(pk=alice.pk).update(role="admin")
    (done,) = said(browser.submit(page(admin, "ban"), {"reason": "x"}, follow=True))
    assert done.startswith("admin@example.com is banned.")


@pytest.mark.parametrize("change", [{"is_superuser": ""}, {"role": "member"}])
def test_the_last_superuser_stays_one(admin: User, alice: User, at_work: Browser, change: dict[str, str]) -> None:
    form = {"email": admin.email, "name": admin.name, "role": "admin", "is_active": "on", "is_superuser": "on"} | change
    form = {name: value for name, value in form.items() if value}
    sentence = "This is the last superuser. Name another superuser first."
    assert at_work.submit(page(admin), form).context["adminform"].form.errors == {next(iter(change)): [sentence]}
    User.objects.filter(pk=alice.pk).update(is_superuser=True, role="admin")
    assert at_work.submit(page(admin), form).status_code == 302


def test_all_superusers_are_not_deleted_together(admin: User, alice: User, bob: User, at_work: Browser) -> None:
    User.objects.filter(pk=alice.pk).update(is_superuser=True, role=User.Role.ADMIN)
    answer = at_work.submit(USERS, chosen("delete_selected", admin, alice, bob), follow=True)
    assert said(answer) == ["No superuser would be left. Name another superuser first."]
    at_work.submit(USERS, chosen("delete_selected", admin, alice, bob, post="yes"))
    assert User.objects.filter(pk__in=[admin.pk, alice.pk, bob.pk]).count() == 3
    at_work.submit(USERS, chosen("delete_selected", alice, bob, post="yes"))
    assert list(User.objects.filter(pk__in=[admin.pk, alice.pk, bob.pk])) == [admin]


def test_the_last_superuser_is_not_deleted(admin: User, alice: User, at_work: Browser) -> None:
    assert at_work.submit(page(admin, "delete"), {"post": "yes"}).status_code == 403
    at_work.submit(USERS, chosen("delete_selected", admin, alice, post="yes"))
    assert User.objects.filter(pk=admin.pk).exists()
    User.objects.create_superuser("root@example.com", "correct horse root")
    assert at_work.submit(page(admin, "delete"), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=admin.pk).exists()


@committed
def test_what_an_action_ended_is_said_once(alice: User, bob: User, at_work: Browser) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    with_token(alice.email)
    answer = at_work.submit(USERS, chosen("revoke_access", alice, bob, reason="x"), follow=True)
    assert said(answer) == ["The access of 2 users is revoked. Ended: 1 session, 1 token login."]


@committed
def test_only_who_was_banned_now_is_called_banned(alice: User, at_work: Browser) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    form = {"email": alice.email, "name": alice.name, "role": "admin"}
    assert "banned" not in said(at_work.submit(page(alice), form, follow=True))[-1]


def test_of_many_refusals_a_few_are_said(at_work: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_admin, "LISTED", 2)
    names = [f"user{number}@example.com" for number in range(5)]
    users = User.objects.bulk_create(User(email=name, email_as_given=name, is_active=False) for name in names)
    answer = at_work.submit(USERS, chosen("ban", *users, reason="x"), follow=True)
    assert said(answer) == [
        *(f"user{number}@example.com is banned already." for number in (0, 1)),
        "3 more were refused.",
    ]


@pytest.mark.parametrize(
    ("active", "action", "words"), [(False, "ban", "is banned already."), (True, "lift-ban", "is not banned.")]
)
def test_what_is_so_already_is_said(alice: User, at_work: Browser, active: bool, action: str, words: str) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=active)
    before = SecurityEvent.objects.count()
    assert f"alice@example.com {words}" in at_work.get(page(alice, action)).content.decode()
    answer = at_work.submit(page(alice, action), {"reason": "x"}, follow=True)
    assert said(answer) == [f"alice@example.com {words}"]
    assert SecurityEvent.objects.count() == before


@pytest.mark.parametrize("action", ["ban", "lift-ban", "revoke-access"])
def test_who_may_only_look_bans_nobody(alice: User, bob: User, action: str) -> None:
    alice.role = "admin"
    alice.save()
    alice.user_permissions.set(Permission.objects.filter(codename="view_user"))
    browser = Browser()
    assert browser.log_in(alice.email).status_code == 302
    shown = browser.get(page(bob)).content.decode()
    assert ">Ban</a>" not in shown
    assert browser.get(page(bob, action)).status_code == 403
    assert browser.submit(page(bob, action), {"reason": "x"}).status_code == 403
    browser.submit(USERS, chosen(action.replace("-", "_"), bob, reason="x"))
    bob.refresh_from_db()
    assert bob.is_active


def test_from_a_user_to_the_logins_and_events_and_back_it_is_one_click(alice: User, at_work: Browser) -> None:
    with_token(alice.email)
    links = {text: address for address, text in at_work.get(page(alice)).context["links"]}
    assert list(links) == ["Security events (2)", "Sessions (1 live)", "Token families (1 live)"]
    for address in links.values():
        answer = at_work.get(address)
        assert answer.context["cl"].result_count == (2 if "security" in address else 1)
        assert f'<a href="{page(alice)}">alice@example.com</a>' in answer.content.decode()
        row = answer.context["cl"].result_list[0]
        one = at_work.get(f"{address.partition('?')[0]}{row.pk}/change/")
        assert f'<a href="{page(alice)}">alice@example.com</a>' in one.content.decode()


def test_links_lead_only_where_the_administrator_may_look(alice: User) -> None:
    with_token(alice.email)
    carol = User.objects.create_user("carol@example.com", "correct horse carol", role="admin")
    browser = Browser({"User-Agent": SECOND})
    assert browser.log_in(carol.email, "correct horse carol").status_code == 302
    carol.user_permissions.set(Permission.objects.filter(codename="view_user"))
    browser.log_in(carol.email, "correct horse carol")
    assert browser.get(page(alice)).context["links"] == []
    carol.user_permissions.set(Permission.objects.filter(codename="view_devicesession"))
    browser.log_in(carol.email, "correct horse carol")
    shown = browser.get("/admin/sessions_demo/devicesession/").content.decode()
    assert ("alice@example.com" in shown, page(alice) in shown) == (True, False)


def test_an_event_says_in_words_what_happened_by_whom_and_why(alice: User, admin: User, at_work: Browser) -> None:
    at_work.submit(page(alice, "ban"), {"reason": "stolen <b>laptop</b>"})
    event = SecurityEvent.objects.get(name="authz_admin")
    words = "Banned by admin@example.com: stolen &lt;b&gt;laptop&lt;/b&gt;"
    assert words in at_work.get(EVENTS).content.decode()
    assert words in at_work.get(f"{EVENTS}{event.pk}/change/").content.decode()
    assert "authn_access_revoked" not in at_work.get(EVENTS).content.decode().replace("?name=authn_", "")

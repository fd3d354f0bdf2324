"""Registering, resetting and changing a password, through the pages and the links that are mailed."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.forms import SetPasswordForm
from django.core import signing
from pytest_django import Settings

from accounts.mail import REGISTRATION_SALT, queue
from accounts.models import DemoMail, OutgoingMail, User
from security.models import SecurityEvent
from tests.conftest import PASSWORDS, Browser, Clock, link_in, told
from tests.running import Store

REGISTER, RESET, CHANGE = "/accounts/register/", "/accounts/password/reset/", "/accounts/password/"
NEW = "a new and longer one"
BOTH = {"new_password1": NEW, "new_password2": NEW}
Mailbox = Callable[[str], list[Any]]


def names() -> list[str]:
    """The names of the events, without those of successful logins."""
    happened = SecurityEvent.objects.exclude(name=SecurityEvent.Name.LOGIN_SUCCESS).order_by("pk")
    return list(happened.values_list("name", flat=True))


@pytest.fixture
def registration(browser: Browser, mailbox: Mailbox) -> str:
    """The path of the link that was mailed to Carol."""
    assert browser.submit(REGISTER, {"email": "Carol@Example.com", "name": "Carol"}).status_code == 302
    return link_in(mailbox("Carol@example.com")[0])


@pytest.fixture
def reset(alice: User, browser: Browser, mailbox: Mailbox) -> str:
    """The path of the link that was mailed to Alice."""
    assert browser.submit(RESET, {"email": alice.email}).status_code == 302
    return link_in(mailbox(alice.email)[0])


# ── Registering ───────────────────────────────────────────────────────────────────────────────


def test_whoever_reads_the_mail_gets_the_account(browser: Browser, registration: str) -> None:
    assert browser.get(registration).status_code == 200
    done = browser.submit(registration, BOTH)
    assert (done.status_code, done["Location"]) == (302, "/accounts/register/done/")
    carol = User.objects.get()
    assert (carol.email, carol.name, carol.role, carol.is_superuser) == ("carol@example.com", "Carol", "member", False)
    assert carol.check_password(NEW)
    event = SecurityEvent.objects.get()
    assert (event.name, event.user_key, event.email) == ("user_created", str(carol.pk), carol.email)
    assert browser.session_id == ""


def test_there_is_no_account_before_the_link(browser: Browser, registration: str) -> None:
    browser.get(registration)
    assert not User.objects.exists()
    assert browser.log_in("carol@example.com", NEW).status_code == 200


def test_registering_answers_the_same_for_an_address_that_is_taken(
    alice: User, measured: Callable[..., Any], clock: Clock
) -> None:
    answers = []
    for email in (alice.email, "nobody@example.com"):
        with measured() as cost:
            answer = Browser().submit(REGISTER, {"email": email, "name": "Someone"})
        answers.append((answer.status_code, told(answer), answer.content, dict(answer.cookies), cost.counts))
    assert answers[0] == answers[1]
    assert answers[0][0] == 302
    assert answers[0][-1] == (0, 1, 1)


def test_the_owner_of_a_taken_address_is_told(alice: User, mallory: Browser, mailbox: Mailbox) -> None:
    mallory.submit(REGISTER, {"email": alice.email, "name": "Mallory"})
    (mail,) = mailbox(alice.email)
    assert link_in(mail) == RESET
    assert "Mallory" not in mail.body
    assert User.objects.get().name == "Alice"


def test_a_registration_link_works_once(browser: Browser, registration: str) -> None:
    assert browser.submit(registration, BOTH).status_code == 302
    for again in (browser.get(registration), browser.submit(registration, BOTH | {"new_password1": "x"})):
        assert again.status_code == 410
    assert names() == ["user_created"]


def test_a_registration_link_is_dead_after_a_day(clock: Clock, browser: Browser, registration: str) -> None:
    clock(24 * 3600)
    assert browser.get(registration).status_code == 200
    clock(24 * 3600 + 2)
    assert browser.get(registration).status_code == 410
    assert browser.submit(registration, BOTH).status_code == 410
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "tamper",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: "X" + token[1:],
        lambda token: token.rpartition(":")[0],
        lambda token: token + "A",
        lambda token: "x",
        lambda token: "::",
        lambda token: "\u2603",
        lambda token: signing.dumps({"email": "mallory@example.com", "name": "M"}),
        lambda token: signing.dumps({"email": "mallory@example.com", "name": "M"}, salt="another"),
        lambda token: signing.dumps(
            {"email": "mallory@example.com", "name": "M"}, key="a" * 50, salt=REGISTRATION_SALT
        ),
    ],
)
def test_a_link_that_was_never_ours_is_dead(browser: Browser, registration: str, tamper: Callable[[str], str]) -> None:
    path = REGISTER + tamper(registration.removeprefix(REGISTER).rstrip("/")) + "/"
    for answer in (browser.get(path), browser.submit(path, BOTH)):
        assert answer.status_code == 410
    assert not User.objects.exists()


def test_of_two_confirmations_at_once_one_wins(
    browser: Browser, mallory: Browser, registration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second confirmation is posted when the first has looked up the link and is computing its hash."""
    slow, inner = SetPasswordForm.save, []

    def save(form: SetPasswordForm, commit: bool = True) -> Any:
        monkeypatch.undo()
        inner.append(mallory.submit(registration, BOTH).status_code)
        return slow(form, commit)

    monkeypatch.setattr(SetPasswordForm, "save", save)
    first = browser.submit(registration, {"new_password1": "the other one", "new_password2": "the other one"})
    assert (inner, first.status_code) == ([302], 410)
    assert User.objects.get().check_password(NEW)
    assert names() == ["user_created"]


@pytest.mark.parametrize("password", ["short", "password", "carol@example.com"])
def test_a_registration_asks_for_a_good_password(browser: Browser, registration: str, password: str) -> None:
    answer = browser.submit(registration, {"new_password1": password, "new_password2": password})
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert not User.objects.exists()


# ── A new password by mail ────────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
def test_a_mailed_link_sets_a_new_password(alice: User, browser: Browser, reset: str, mailbox: Mailbox) -> None:
    followed = browser.get(reset)
    assert followed.status_code == 302
    assert browser.get(followed["Location"]).status_code == 200
    done = browser.submit(followed["Location"], BOTH)
    assert (done.status_code, done["Location"]) == (302, "/accounts/password/reset/done/")
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert names() == ["authn_access_revoked", "authn_password_reset"]
    assert len(mailbox(alice.email)) == 2


def test_asking_for_a_link_answers_the_same_for_everyone(
    alice: User, bob: User, measured: Callable[..., Any], clock: Clock
) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    answers = []
    for email in (alice.email, bob.email, "nobody@example.com"):
        with measured() as cost:
            answer = Browser().submit(RESET, {"email": email})
        answers.append((answer.status_code, told(answer), answer.content, dict(answer.cookies), cost.counts))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 302
    assert answers[0][-1] == (0, 1, 1)


def test_only_active_users_are_sent_a_link(bob: User, browser: Browser, mailbox: Mailbox) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    for email in (bob.email, "nobody@example.com"):
        browser.submit(RESET, {"email": email})
        assert mailbox(email) == []
    assert not OutgoingMail.objects.exists()


def test_a_reset_link_works_once(alice: User, browser: Browser, mallory: Browser, reset: str) -> None:
    form = browser.get(reset)["Location"]
    browser.submit(form, BOTH)
    for client in (browser, mallory):
        again = client.get(reset)
        assert again.status_code == 200
        assert again.context["validlink"] is False
        stolen = {"new_password1": "mallory was here", "new_password2": "mallory was here"}
        for path in (reset, form):
            assert client.submit(path, stolen).status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert names() == ["authn_access_revoked", "authn_password_reset"]


def test_a_reset_link_is_dead_after_an_hour(alice: User, clock: Clock, browser: Browser, reset: str) -> None:
    clock(3600)
    form = browser.get(reset)["Location"]
    clock(3601)
    assert browser.get(form).context["validlink"] is False
    assert browser.submit(form, BOTH).status_code == 200
    assert Browser().get(reset).context["validlink"] is False
    alice.refresh_from_db()
    assert alice.check_password(PASSWORDS[alice.email])


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda alice: User.objects.filter(pk=alice.pk).update(email="alice@example.org"),
        lambda alice: (alice.set_password("set meanwhile"), alice.save()),
        lambda alice: Browser(REMOTE_ADDR="192.0.2.2").log_in(alice.email),
    ],
    ids=["another address", "another password", "a login"],
)
def test_a_reset_link_ends_with_what_it_was_for(
    alice: User, browser: Browser, reset: str, meanwhile: Callable[[User], Any]
) -> None:
    User.objects.filter(pk=alice.pk).update(role="admin")
    meanwhile(alice)
    assert browser.get(reset).context["validlink"] is False


def test_a_reset_link_is_its_own_users(alice: User, bob: User, browser: Browser, reset: str) -> None:
    uid, token = reset.removeprefix(RESET).strip("/").split("/")
    own = browser.get(reset)
    assert own.status_code == 302
    from django.utils.http import urlsafe_base64_encode

    other = urlsafe_base64_encode(str(bob.pk).encode())
    assert other != uid
    assert browser.get(f"{RESET}{other}/{token}/").context["validlink"] is False
    assert browser.submit(f"{RESET}{other}/set-password/", BOTH).context["validlink"] is False


@pytest.mark.parametrize(
    "path", ["x/y/", "MQ/set-password/", "-/-/", "\u2603/\u2603/", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5/x-y/"]
)
def test_a_made_up_reset_link_is_dead(alice: User, browser: Browser, path: str) -> None:
    assert browser.get(RESET + path).context["validlink"] is False
    assert browser.submit(RESET + path, BOTH).status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(PASSWORDS[alice.email])


def test_arriving_from_a_mail_on_another_site_bounces_once(
    alice: User, browser: Browser, reset: str, store: Store
) -> None:
    bounced = Browser().get(reset, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert bounced.status_code == 200
    assert not bounced.cookies
    assert store.client(0).dbsize() == 0
    assert reset in bounced.content.decode()
    assert browser.get(reset).status_code == 302


def test_a_reset_leaves_no_session_behind(browser: Browser, reset: str, store: Store) -> None:
    form = browser.get(reset)["Location"]
    assert store.client(0).dbsize() == 1
    done = browser.submit(form, BOTH)
    assert store.client(0).dbsize() == 0
    # The cookie is not deleted: it is worthless now, and a login in the meantime may have set a new one.
    assert "__Host-sessionid" not in done.cookies
    assert browser.get("/accounts/password/").status_code == 302


def test_a_reset_ends_every_session_of_that_user(alice: User, bob: User, browser: Browser, mailbox: Mailbox) -> None:
    session, others = Browser(), Browser()
    session.force_login(alice)
    others.force_login(bob)
    browser.submit(RESET, {"email": alice.email})
    browser.submit(browser.get(link_in(mailbox(alice.email)[0]))["Location"], BOTH)
    assert session.get(CHANGE).status_code == 302
    assert others.get(CHANGE).status_code == 200


def test_who_is_logged_in_stays_so_when_resetting_for_another(
    bob: User, reset: str, browser: Browser, store: Store
) -> None:
    browser.force_login(bob)
    assert browser.submit(browser.get(reset)["Location"], BOTH).status_code == 302
    assert browser.get(CHANGE).status_code == 200


# ── Changing it ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def logged_in(alice: User, browser: Browser) -> Browser:
    browser.force_login(alice)
    assert browser.get(CHANGE).status_code == 200
    return browser


def test_a_change_wants_the_current_password(alice: User, logged_in: Browser) -> None:
    for current in ("", "wrong", NEW, PASSWORDS[alice.email].upper()):
        answer = logged_in.submit(CHANGE, BOTH | {"old_password": current})
        assert answer.status_code == 200
        assert "old_password" in answer.context["form"].errors
    assert logged_in.submit(CHANGE, BOTH).status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(PASSWORDS[alice.email])
    assert set(names()) == {"authn_login_fail"}


@pytest.mark.django_db(transaction=True)
def test_a_change_renews_this_session_and_ends_the_others(
    alice: User, bob: User, logged_in: Browser, mallory: Browser, store: Store
) -> None:
    mallory.force_login(alice)
    stranger = Browser()
    stranger.force_login(bob)
    before = logged_in.session_id
    done = logged_in.submit(CHANGE, BOTH | {"old_password": PASSWORDS[alice.email]})
    assert (done.status_code, done["Location"]) == (302, "/accounts/password/done/")
    assert logged_in.session_id not in ("", before)
    assert logged_in.get(CHANGE).status_code == 200
    assert mallory.get(CHANGE).status_code == 302
    assert stranger.get(CHANGE).status_code == 200
    replayed = Browser()
    replayed.cookies["__Host-sessionid"] = before
    assert replayed.get(CHANGE).status_code == 302
    assert names()[-2:] == ["authn_access_revoked", "authn_password_change"]


@pytest.mark.django_db(transaction=True)
def test_the_owner_is_mailed_about_a_change(alice: User, logged_in: Browser, mailbox: Mailbox) -> None:
    logged_in.submit(CHANGE, BOTH | {"old_password": PASSWORDS[alice.email]})
    (mail,) = mailbox(alice.email)
    assert link_in(mail) == RESET
    assert NEW not in mail.body


def test_a_wrong_current_password_is_throttled_for_a_thief_of_a_session(alice: User, logged_in: Browser) -> None:
    guesses = [logged_in.submit(CHANGE, BOTH | {"old_password": f"guess {n}"}).status_code for n in range(11)]
    assert guesses == [200] * 10 + [429]
    assert logged_in.submit(CHANGE, BOTH | {"old_password": PASSWORDS[alice.email]}).status_code == 429


@pytest.mark.parametrize("method", ["get", "submit"])
def test_the_admins_own_page_for_it_leads_here(admin: User, browser: Browser, method: str) -> None:
    """Django's own page compares the current password without the throttle."""
    browser.force_login(admin)
    answer = getattr(browser, method)("/admin/password_change/", BOTH | {"old_password": PASSWORDS[admin.email]})
    assert (answer.status_code, answer["Location"]) == (302, CHANGE)
    admin.refresh_from_db()
    assert admin.check_password(PASSWORDS[admin.email])


# ── The demo's mailbox ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("demo", "status"), [(True, 200), (False, 404)])
def test_the_mailbox_is_the_demos_only(db: None, browser: Browser, settings: Settings, demo: bool, status: int) -> None:
    settings.DEMO = demo
    DemoMail.objects.create(to="alice@example.com", subject="s", body="a very secret link")
    answer = browser.get("/accounts/mail/")
    assert answer.status_code == status
    assert (b"a very secret link" in answer.content) is demo


def test_the_mailbox_is_cleared_by_post_and_says_so(db: None, browser: Browser) -> None:
    DemoMail.objects.create(to="alice@example.com", subject="s", body="b")
    shown = browser.get("/accounts/mail/?cleared").content.decode()
    assert "Delete all mails" in shown
    assert "was cleared" not in shown
    assert browser.submit("/accounts/mail/", {"delete": "x"}).status_code == 400
    assert DemoMail.objects.exists()
    answer = browser.submit("/accounts/mail/", {"delete": "all"})
    assert (answer.status_code, DemoMail.objects.exists()) == (302, False)
    assert "The mailbox was cleared." in browser.get(answer["Location"]).content.decode()


def test_a_head_request_tells_whether_there_is_a_newer_mail(db: None, browser: Browser) -> None:
    assert browser.head("/accounts/mail/")["X-Newest-Mail"] == "0"
    mail = DemoMail.objects.create(to="alice@example.com", subject="s", body="b")
    assert browser.head("/accounts/mail/")["X-Newest-Mail"] == str(mail.pk)
    assert f'data-newest="{mail.pk}"' in browser.get("/accounts/mail/").content.decode()


def test_a_mail_has_one_link(alice: User, browser: Browser, mailbox: Mailbox) -> None:
    browser.submit(REGISTER, {"email": "carol@example.com", "name": "Carol"})
    browser.submit(REGISTER, {"email": alice.email, "name": "Mallory"})
    browser.submit(RESET, {"email": alice.email})
    for kind in ("password_changed", "token_reuse"):
        queue(kind, alice.email)
    mails = [*mailbox("carol@example.com"), *mailbox(alice.email)]
    assert [mail.body.count("http") for mail in mails] == [1] * 5


def test_a_stored_payload_renders_inert(db: None, browser: Browser) -> None:
    DemoMail.objects.create(to="<b>a", subject="<script>alert(1)</script>", body="<img src=x onerror=alert(1)>")
    page = browser.get("/accounts/mail/").content.decode()
    assert not re.search(r"<script>alert|<img src=x|<b>a", page)


def test_links_are_built_on_our_address_and_never_on_the_host_header(
    alice: User, browser: Browser, mailbox: Mailbox, settings: Settings
) -> None:
    browser.submit(RESET, {"email": alice.email}, headers={"Host": "127.0.0.1:6666"})
    assert "6666" not in mailbox(alice.email)[0].body
    assert browser.submit(RESET, {"email": alice.email}, headers={"Host": "evil.example"}).status_code == 400

"""The outbox: which mails are sent, when and how often, and what is never stored in it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from itertools import pairwise
from typing import Any

import dj_email_url
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts import mail
from accounts.models import DemoMail, OutgoingMail, User
from tests.conftest import NOON, PASSWORDS, Browser, Clock, link_in
from tests.running import free_port

RESET = "/accounts/password/reset/"
LINK = "http://localhost/"


class Inbox(Message):
    """Accepts every mail except those to `refused`."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[Any] = []
        self.refused = "refused@example.com"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address == self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Any) -> None:
        self.received.append(message)


def use(settings: Settings, url: str) -> None:
    """Sets what this EMAIL_URL sets."""
    settings.EMAIL_URL = url
    for name, value in dj_email_url.parse(url).items():
        setattr(settings, name, value)
    settings.EMAIL_TIMEOUT = 5


@pytest.fixture
def inbox(settings: Settings) -> Iterator[Inbox]:
    """A real SMTP server that EMAIL_URL names."""
    handler = Inbox()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port())
    controller.start()
    use(settings, f"smtp://127.0.0.1:{controller.port}")
    yield handler
    controller.stop()


@pytest.fixture
def no_server(settings: Settings) -> None:
    """EMAIL_URL names a port on which no server listens."""
    use(settings, f"smtp://127.0.0.1:{free_port()}")


def test_a_mail_leaves_by_smtp(alice: User, browser: Browser, inbox: Inbox) -> None:
    assert browser.submit(RESET, {"email": alice.email}).status_code == 302
    assert inbox.received == []
    assert mail.deliver() == "1 handed over"
    (received,) = inbox.received
    assert (received["To"], received["X-RcptTo"]) == (alice.email, alice.email)
    body: EmailMessage = received.get_payload(decode=True)
    assert f"{LINK}accounts/password/reset/" in body.decode()
    assert not OutgoingMail.objects.exists()
    assert not DemoMail.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("no_server")
def test_an_absent_mail_server_changes_no_answer(alice: User) -> None:
    for path, data in ((RESET, {}), ("/accounts/register/", {"name": "x"})):
        for email in (alice.email, "nobody@example.com"):
            assert Browser().submit(path, {"email": email, **data}).status_code == 302
    browser = Browser()
    browser.force_login(alice)
    new = {"old_password": PASSWORDS[alice.email], "new_password1": "kqzvwxyj", "new_password2": "kqzvwxyj"}
    assert browser.submit("/accounts/password/", new).status_code == 302
    assert OutgoingMail.objects.count() == 5
    # The reset for an address without an account needs no mail, and counts as handed over. The other four fail.
    assert mail.deliver() == "1 handed over"


@pytest.mark.usefixtures("no_server")
def test_a_failed_mail_is_tried_again_each_time_after_twice_as_long(alice: User, clock: Clock) -> None:
    mail.queue("password_changed", alice.email)
    waited, seconds = [], 0.0
    while row := OutgoingMail.objects.first():
        seconds = (row.due - NOON).total_seconds()
        clock(seconds - 0.001)
        assert mail.deliver() == ""
        assert OutgoingMail.objects.get().attempts == row.attempts  # not yet tried again
        clock(seconds)
        mail.deliver()
        waited.append(seconds)
    gaps = [later - earlier for earlier, later in pairwise(waited)]
    assert gaps == [60.0 * 2**attempt for attempt in range(mail.ATTEMPTS - 1)]
    assert len(waited) == mail.ATTEMPTS
    assert timedelta(days=1) < timedelta(seconds=waited[-1]) < timedelta(days=3)


@pytest.mark.usefixtures("no_server")
def test_a_mail_that_was_given_up_was_not_handed_over(alice: User, log: Any) -> None:
    mail.queue("password_changed", alice.email)
    OutgoingMail.objects.update(attempts=mail.ATTEMPTS - 1)
    assert mail.deliver() == ""
    assert not OutgoingMail.objects.exists()
    assert '"given_up": true' in log.getvalue()


def test_a_server_that_returns_gets_the_mail(alice: User, clock: Clock, inbox: Inbox, settings: Settings) -> None:
    mail.queue("password_changed", alice.email)
    working, settings.EMAIL_PORT = settings.EMAIL_PORT, free_port()
    mail.deliver()
    settings.EMAIL_PORT = working
    clock(61)
    mail.deliver()
    assert len(inbox.received) == 1


@pytest.mark.parametrize("bad", ["refused@example.com", "x@" + "\u00fc" * 62 + ".example", "x@\u00fc..example"])
def test_one_mail_that_cannot_be_sent_holds_up_no_other(alice: User, inbox: Inbox, bad: str) -> None:
    for to in (bad, alice.email, bad):
        mail.queue("password_changed", to)
    assert mail.deliver() == "1 handed over"
    assert [message["To"] for message in inbox.received] == [alice.email]
    assert set(OutgoingMail.objects.values_list("to", "attempts")) == {(bad, 1)}


def test_a_kind_of_mail_nobody_knows_holds_up_no_other(alice: User, inbox: Inbox) -> None:
    mail.queue("of a later release", alice.email)
    mail.queue("password_changed", alice.email)
    assert mail.deliver() == "1 handed over"


@pytest.mark.usefixtures("file_database")
def test_a_change_that_was_rolled_back_is_never_announced() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        mail.queue("password_changed", "alice@example.com")
        1 / 0  # noqa: B018
    assert mail.deliver() == ""
    assert not DemoMail.objects.exists()


@pytest.mark.usefixtures("file_database")
def test_nothing_leaves_before_the_commit(at_once: Callable[..., list[Any]]) -> None:
    with transaction.atomic():
        mail.queue("password_changed", "alice@example.com")
        assert at_once(1, lambda _: OutgoingMail.objects.count()) == [0]
    assert at_once(1, lambda _: mail.deliver()) == ["1 handed over"]


@pytest.mark.usefixtures("file_database")
def test_two_housekeepers_send_once(at_once: Callable[..., list[Any]], inbox: Inbox) -> None:
    for number in range(12):
        mail.queue("password_changed", f"user{number}@example.com")
    at_once(4, lambda _: mail.deliver())
    assert sorted(message["To"] for message in inbox.received) == sorted(f"user{n}@example.com" for n in range(12))
    assert not OutgoingMail.objects.exists()


def test_a_housekeeper_that_read_the_row_before_sends_nothing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes have read the row, and the other one has already handed the mail over."""
    mail.queue("password_changed", alice.email)
    row = OutgoingMail.objects.get()
    OutgoingMail.objects.update(due=timezone.now() + timedelta(minutes=1))
    assert mail._deliver(row) is False
    assert not DemoMail.objects.exists()


def test_no_key_rests_in_the_outbox(alice: User, browser: Browser, mailbox: Callable[[str], list[Any]]) -> None:
    for path, data in (
        (RESET, {"email": alice.email}),
        ("/accounts/register/", {"email": "c@example.com", "name": "C"}),
    ):
        browser.submit(path, data)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_outgoingmail")
        rows = repr(cursor.fetchall())
    assert alice.email in rows
    for address in (alice.email, "c@example.com"):
        secret = link_in(mailbox(address)[0]).strip("/").rpartition("/")[2]
        assert len(secret) > 20
        assert secret not in rows
    assert "http" not in rows
    assert not OutgoingMail.objects.exists()


def test_at_most_a_batch_is_taken_at_a_time(db: None) -> None:
    OutgoingMail.objects.bulk_create(
        OutgoingMail(kind="password_changed", to=f"user{n}@example.com") for n in range(mail.BATCH + 5)
    )
    assert [mail.deliver() for _ in range(3)] == ["50 handed over", "5 handed over", ""]


def test_the_text_is_written_from_the_data_at_hand(alice: User, browser: Browser) -> None:
    """A user who is deactivated between the request and the sending gets no link."""
    browser.submit(RESET, {"email": alice.email})
    User.objects.update(is_active=False)
    mail.deliver()
    assert not DemoMail.objects.exists()
    assert not OutgoingMail.objects.exists()


UNICODE, ASCII = "Jo@M\u00fcnchen.example", "Jo@xn--mnchen-3ya.example"


@pytest.mark.parametrize(
    ("given", "sent_to"),
    [(UNICODE, ASCII), ("jo@stra\u00dfe.example", "jo@xn--strae-oqa.example"), ("Jo@Example.com", "Jo@example.com")],
)
def test_mail_goes_to_the_domain_that_was_given_and_to_no_other(
    db: None, browser: Browser, inbox: Inbox, given: str, sent_to: str
) -> None:
    browser.submit("/accounts/register/", {"email": given, "name": "Jo"})
    User.objects.create_user(f"also{given}")
    browser.submit(RESET, {"email": f"ALSO{given}".upper().replace("SS", "\u1e9e")})
    assert mail.deliver() == "2 handed over"
    assert [message["X-RcptTo"] for message in inbox.received] == [sent_to, f"also{sent_to}"]
    assert [message["To"] for message in inbox.received] == [sent_to, f"also{sent_to}"]


@pytest.mark.parametrize(("path", "data"), [(RESET, {}), ("/accounts/register/", {"name": "Mallory"})])
def test_a_mail_about_an_account_goes_to_its_own_address_and_not_to_what_was_typed(
    db: None, browser: Browser, inbox: Inbox, path: str, data: dict[str, str]
) -> None:
    """On some mail servers `Jo` and `jo` are different mailboxes, and the other one may be a stranger's."""
    User.objects.create_user("jo@example.com")
    browser.submit(path, {"email": "JO@EXAMPLE.com", **data})
    mail.deliver()
    assert [message["X-RcptTo"] for message in inbox.received] == ["jo@example.com"]


def test_an_address_from_before_that_cannot_be_delivered_is_not_sent_to_another(alice: User, inbox: Inbox) -> None:
    """Django would write the address as an encoded word, which names another mailbox."""
    User.objects.update(email="al\u00efce@example.com")
    mail.queue("password_changed", User.objects.get().email_as_given)
    assert mail.deliver() == ""
    assert inbox.received == []

import io
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.db.models import CharField, F, Value
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import assume, example, given
from hypothesis import strategies as st

from accounts.email import deliverable, normalise, validate_address
from accounts.models import User
from security.backends import InvalidCredentials, verify
from security.client import Client
from security.models import SecurityEvent
from security.throttle import login_limits, mail_limits
from tests.access import version_of

SPELLINGS = [
    "ALICE@EXAMPLE.COM",
    " alice@example.com\t\n",
    "\uff41lice@example.com",  # full-width a
    "alice@e\u2093ample.com",  # subscript x
    "alice@\u212fxample.com",  # script e
]
# One mailbox, as it is written in Unicode and as Chromium's e-mail input posts it.
MUNICH, POSTED = "jo@m\u00fcnchen.example", "jo@xn--mnchen-3ya.example"
# Two domains with two owners. IDNA 2003 treats them as one.
STREET, STRASSE = "jo@stra\u00dfe.example", "jo@strasse.example"
ADDRESSES = st.builds("{}@{}".format, st.text(max_size=8), st.text(max_size=12))
UNSTORABLE = ["alice\0@example.com", "\ud800alice@example.com", "alice@example.com\udfff", "", "  ", "\0"]


@given(st.text() | ADDRESSES)
@example("jo@" + "a" * 53 + "\u00df\u00fc.example")  # too long in ASCII, but not after case folding
@example("\u01f0")  # case folding makes two characters of it, and composition makes one again
@example("\u0390")
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize("letter", ["\u01f0", "\u0390", "\u1e96"])
def test_what_is_stored_is_composed(letter: str) -> None:
    assert unicodedata.is_normalized("NFKC", normalise(letter))


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=20))
def test_neither_case_nor_blanks_around_make_another_address(text: str) -> None:
    assert normalise(text.upper()) == normalise(text.lower()) == normalise(f"  {text}\t")


@given(st.text(st.characters(categories=["Cs", "Cc", "L", "N"])) | ADDRESSES)
def test_whatever_is_normalised_can_be_stored(text: str) -> None:
    normalise(text).encode()
    assert "\0" not in normalise(text)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_finds_the_one_account(alice: User, spelling: str) -> None:
    assert User.objects.get(email=spelling) == alice
    assert User.objects.get_by_natural_key(spelling) == alice
    assert User.objects.get(email__in=["x@example.com", spelling]) == alice


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_makes_a_second_account(alice: User, spelling: str) -> None:
    # Without `create_user`, which refuses letters before the @ that mail cannot be sent to.
    with pytest.raises(IntegrityError), transaction.atomic():
        User(email=spelling).save()
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.bulk_create([User(email=spelling)])
    assert User.objects.count() == 1


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_update_past_the_model_is_normalised_too(bob: User, spelling: str) -> None:
    User.objects.update(email=spelling)
    assert list(User.objects.values_list("email", flat=True)) == ["alice@example.com"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_bulk_create_stores_the_one_form(db: None, spelling: str) -> None:
    User.objects.bulk_create([User(email=spelling)])
    assert User.objects.values_list("email", flat=True).get() == "alice@example.com"


def test_a_saved_user_carries_the_address_as_it_is_stored(db: None) -> None:
    assert User.objects.create_user(" Bob@Example.COM ").email == "bob@example.com"


@pytest.mark.parametrize("address", UNSTORABLE)
def test_what_cannot_be_stored_is_nobodys_address(alice: User, address: str) -> None:
    assert normalise(address) == ""
    assert not User.objects.filter(email=address).exists()
    with pytest.raises(ValueError, match="address"):
        User.objects.create_user(address)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.bulk_create([User(email=address)])


def test_an_address_is_one_however_its_domain_is_written(db: None) -> None:
    jo = User.objects.create_user(POSTED, "correct horse jo")
    request = RequestFactory().post("/")
    for spelling in (POSTED, MUNICH, MUNICH.upper(), POSTED.upper(), "jo@mu\u0308nchen.example"):
        assert verify(request, spelling, "correct horse jo") == jo
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.create_user(spelling)


def test_sharp_s_is_another_domain(db: None) -> None:
    street, strasse = User.objects.create_user(STREET), User.objects.create_user(STRASSE)
    assert User.objects.get(email="JO@STRA\u1e9eE.example") == street
    assert User.objects.get(email="JO@STRASSE.example") == strasse
    assert (deliverable(STREET), deliverable(STRASSE)) == ("jo@xn--strae-oqa.example", STRASSE)


@given(st.builds("jo@{}.example".format, st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=4)))
@example(MUNICH)
@example(STREET)
@example("jo@\uff45xample.com")
@example("jo@example\u3002com")
def test_what_is_compared_is_the_domain_that_is_sent_to(address: str) -> None:
    try:
        sent_to = deliverable(address)
    except ValueError:
        assume(False)
    assert normalise(address).rpartition("@")[2] == sent_to.rpartition("@")[2]
    assert normalise(sent_to) == normalise(address)


@pytest.mark.parametrize("domain", ["e\u202example.com", "\u2603.example", "x..example", "a" * 64 + ".example", "_"])
def test_a_domain_without_an_ascii_form_is_somebody_unknown(alice: User, domain: str) -> None:
    with pytest.raises(InvalidCredentials):
        verify(RequestFactory().post("/"), f"jo@{domain}", "correct horse jo")


def changed_by_save(user: User, address: str) -> None:
    user.email = address
    user.save()


def changed_by_one_field(user: User, address: str) -> None:
    user.email = address
    user.save(update_fields=["email"])


def changed_in_bulk(user: User, address: str) -> None:
    user.email = address
    User.objects.bulk_update([user], ["email"])


def changed_after_a_look(user: User, address: str) -> None:
    user.email = address
    user.full_clean()
    user.save()


WAYS: list[Callable[[User, str], Any]] = [
    changed_by_save,
    changed_by_one_field,
    changed_in_bulk,
    changed_after_a_look,
    lambda user, address: User.objects.filter(pk=user.pk).update(email=address),
    lambda user, address: User.objects.update_or_create(pk=user.pk, defaults={"email": address}),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("address", ["Jo@M\u00fcnchen.example", "bob@example.com", " Alice@Example.com "])
def test_the_address_as_given_follows_the_email(alice: User, way: Callable[..., Any], address: str) -> None:
    way(alice, address)
    alice.refresh_from_db()
    assert (alice.email, alice.email_as_given) == (normalise(address), address.strip())


def test_it_follows_an_expression_too(alice: User) -> None:
    User.objects.update(email=F("name"))
    User.objects.update(email=Value("Bob@example.com", output_field=CharField()))
    alice.refresh_from_db()
    assert alice.email_as_given == alice.email


@pytest.mark.parametrize("address", ["Jo@M\u00fcnchen.example", "jo@example.com"])
def test_a_new_user_keeps_the_address_as_given(db: None, address: str) -> None:
    users = [
        User.objects.create_user(address),
        *User.objects.bulk_create([User(email=f"a{address}")]),
        User.objects.create(email=f"b{address}"),
    ]
    for user, given_ in zip(users, (address, f"a{address}", f"b{address}"), strict=True):
        user.refresh_from_db()
        assert (user.email, user.email_as_given) == (normalise(given_), given_)


def test_what_changes_something_else_leaves_the_address_as_given(db: None) -> None:
    User.objects.create_user("Jo@M\u00fcnchen.example")
    user = User.objects.get()
    user.name = "Jo"
    user.full_clean(exclude=["password"])
    user.save()
    User.objects.update(name="Joanna")
    assert User.objects.get().email_as_given == "Jo@M\u00fcnchen.example"


BAD = {
    "a direction in the domain": "jo@e\u202example.com",
    "a direction before the @": "j\u202eo@example.com",
    "an invisible letter": "jo@exam\u00adple.com",
    "a control character in quotes": '"j\x01o"@example.com',
    "a line break": "jo@example.com\r\nBcc: mallory@example.com",
    "a line separator": "jo@exam\u2028ple.com",
    "a letter that cannot be delivered": "j\u00f6@example.com",
    "a wide letter": "\uff4ao@example.com",
    "a symbol as a domain": "jo@\u2603.example",
    "a dot that is none": "jo@example\u2024com",
    "an @ that is none": "jo\uff20example.com",
    "two directions in a label": "jo@1\u05d0\u05d1.example",
    "a label too long in ASCII": "jo@" + "\u00fc" * 62 + ".example",
    "a hyphen first": "jo@-a.example",
    "an address of a machine": "jo@[192.0.2.1]",
    "no domain": "jo@",
    "no @": "jo",
    "too long": "j" * 250 + "@example.com",
    "too long in ASCII": "j" * 64 + "@" + ".".join(["\u00fc" * 40] * 4) + ".example",
}
GOOD = ["jo@example.com", MUNICH, POSTED, STREET, "Jo+shop@example.com", "jo@\u05d0\u05d1.example", "jo@localhost"]


@pytest.mark.parametrize("address", BAD.values(), ids=BAD)
def test_an_address_that_no_mail_could_be_sent_to_is_refused_with_a_sentence(db: None, address: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        validate_address(address)
    assert refusal.value.messages[0].endswith(".")
    with pytest.raises(ValueError, match="A user needs an e-mail address"):
        User.objects.create_user(address)
    with pytest.raises(ValidationError) as refusal:
        User(email=address, password="x").full_clean()
    assert "email" in refusal.value.message_dict
    with pytest.raises(CommandError):
        call_command("createsuperuser", "--noinput", email=address)
    assert not User.objects.exists()


@pytest.mark.parametrize("address", GOOD)
def test_an_address_that_mail_can_be_sent_to_is_taken_everywhere(db: None, address: str) -> None:
    User(email=address, password="x").full_clean()
    call_command("createsuperuser", "--noinput", email=address, stdout=io.StringIO())
    assert User.objects.get().email_as_given == address
    User.objects.all().delete()
    User.objects.create_user(address)


def test_every_spelling_of_a_domain_is_counted_once() -> None:
    client = Client("192.0.2.1", "browser")
    for limits in (lambda address: login_limits(address, client, False), lambda a: mail_limits("register", a, client)):
        assert limits(MUNICH) == limits(POSTED)
        assert limits(STREET) != limits(STRASSE)


def test_every_spelling_of_an_unknown_address_is_one_series(db: None) -> None:
    for spelling in (MUNICH, POSTED):
        with pytest.raises(InvalidCredentials):
            verify(HttpRequest(), spelling, "wrong")
    first, second = SecurityEvent.objects.values_list("detail", flat=True)
    assert first == second


def test_a_user_is_revoked_by_any_spelling(db: None) -> None:
    User.objects.create_user(POSTED)
    call_command("revoke_access", MUNICH, reason="phone stolen", stdout=io.StringIO())
    assert version_of(User.objects.get()) == 1

import unicodedata

import pytest
from django.db import IntegrityError, transaction
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.email import normalise
from accounts.models import User

SPELLINGS = [
    "ALICE@EXAMPLE.COM",
    " alice@example.com\t\n",
    "\uff41lice@example.com",  # full-width a
    "alice@e\u2093ample.com",  # subscript x
    "alice@\u212fxample.com",  # script e
]
UNSTORABLE = ["alice\0@example.com", "\ud800alice@example.com", "alice@example.com\udfff", "", "  ", "\0"]


@given(st.text())
@example("\u01f0")  # folding takes it apart; composed again it is one letter
@example("\u0390")
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize("letter", ["\u01f0", "\u0390", "\u1e96"])
def test_what_is_stored_is_composed(letter: str) -> None:
    assert unicodedata.is_normalized("NFKC", normalise(letter))


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=20))
def test_neither_case_nor_blanks_around_make_another_address(text: str) -> None:
    assert normalise(text.upper()) == normalise(text.lower()) == normalise(f"  {text}\t")


@given(st.text(st.characters(categories=["Cs", "Cc", "L", "N"])))
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
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user(spelling)
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

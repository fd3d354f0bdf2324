"""Passwords are normalized and hashed with Argon2id. The parameters are read from stored hashes, not from settings."""

import io
import re
from collections.abc import Callable

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, identify_hasher
from django.core.management import call_command

from accounts.models import User
from security.hashers import Argon2id
from tests.conftest import PASSWORDS, Browser
from tests.sampling import sampled

# One password as different systems send it. The third has a ligature and a full-width digit.
COMPOSED, APART, WIDE = "\u00e9t\u00e9 office 1", "e\u0301te\u0301 office 1", "\u00e9t\u00e9 o\ufb03ce \uff11"
SPELLINGS = (COMPOSED, APART, WIDE)


def test_a_stored_hash_is_argon2id_with_owasps_parameters(alice: User) -> None:
    stored = User.objects.values_list("password", flat=True).get()
    found = re.fullmatch(r"argon2\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([^$]+)\$([^$]+)", stored)
    assert found, stored
    memory, passes, lanes = (int(found[number]) for number in (1, 2, 3))
    assert memory >= 19 * 1024
    assert passes >= 2
    assert lanes == 1
    assert len(found[4]) >= 22  # base64 of a salt of 16 bytes
    assert len(found[5]) >= 42  # base64 of a hash of 32 bytes


def test_the_same_password_is_stored_twice_in_two_ways(alice: User, bob: User) -> None:
    bob.set_password("correct horse alice")
    assert alice.password != bob.password


@pytest.mark.parametrize(
    "stored",
    [
        "md5$salt$67a1e09bb1f83f5007dc119c14d663aa",
        "plain$$correct horse alice",
        "correct horse alice",
        "",
    ],
)
def test_no_other_kind_of_hash_is_believed(alice: User, stored: str) -> None:
    assert not check_password("correct horse alice", stored)
    with pytest.raises(ValueError, match=r"Unknown|Couldn't"):
        identify_hasher(stored)


def set_by_a_page(alice: User, password: str) -> None:
    browser = Browser()
    browser.force_login(alice)
    form = {"old_password": PASSWORDS[alice.email], "new_password1": password, "new_password2": password}
    assert browser.submit("/accounts/password/", form).status_code == 302


def set_by_json(alice: User, password: str) -> None:
    login = {"email": alice.email, "password": PASSWORDS[alice.email], "transport": "body"}
    access = Browser().post("/jwt/auth/login", login, content_type="application/json").json()["accessToken"]
    body, bearer = {"current": PASSWORDS[alice.email], "new": password}, {"Authorization": f"Bearer {access}"}
    answer = Browser().post("/jwt/auth/password", body, content_type="application/json", headers=bearer)
    assert answer.status_code == 200


def set_by_an_administrator(alice: User, password: str) -> None:
    browser = Browser()
    browser.force_login(User.objects.create_superuser("admin@example.com"))
    form = {"usable_password": "true", "password1": password, "password2": password}
    assert browser.submit(f"/admin/accounts/user/{alice.pk}/password/", form).status_code == 302


def set_by_a_command(alice: User, password: str) -> None:
    alice.delete()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DJANGO_SUPERUSER_PASSWORD", password)
        call_command("createsuperuser", "--noinput", email=alice.email, stdout=io.StringIO())


def set_by_code(alice: User, password: str) -> None:
    alice.set_password(password)
    alice.save()


SET = [set_by_a_page, set_by_json, set_by_an_administrator, set_by_a_command, set_by_code]


@pytest.mark.parametrize("chosen", sampled(SPELLINGS, [WIDE]), ids=["composed", "apart", "wide"])
@pytest.mark.parametrize("way", SET)
def test_a_password_fits_however_its_characters_are_sent(
    alice: User, way: Callable[[User, str], None], chosen: str
) -> None:
    way(alice, chosen)
    for typed in SPELLINGS:
        assert User.objects.get(email=alice.email).check_password(typed)
        form = {"email": alice.email, "password": typed}
        assert Browser().submit("/session/login/", form).status_code == 302
        assert Browser().post("/jwt/auth/login", form, content_type="application/json").status_code == 200
    assert not User.objects.get(email=alice.email).check_password("ete office 1")


@pytest.mark.parametrize("chosen", [COMPOSED, APART, WIDE], ids=["composed", "apart", "wide"])
def test_a_hash_of_before_there_was_a_normal_form_still_fits_what_it_was_made_of(alice: User, chosen: str) -> None:
    now = Argon2id()
    before = Argon2PasswordHasher()
    before.memory_cost, before.time_cost, before.parallelism = now.memory_cost, now.time_cost, now.parallelism
    encoded = before.encode(chosen, now.salt())
    assert check_password(chosen, encoded)
    assert not check_password(chosen + ".", encoded)

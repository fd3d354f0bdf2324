"""Argon2id, read from what is stored and not from what is configured."""

import re

import pytest
from django.contrib.auth.hashers import check_password, identify_hasher

from accounts.models import User


def test_a_stored_hash_is_argon2id_with_owasps_parameters(alice: User) -> None:
    stored = User.objects.values_list("password", flat=True).get()
    found = re.fullmatch(r"argon2\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([^$]+)\$([^$]+)", stored)
    assert found, stored
    memory, passes, lanes = (int(found[number]) for number in (1, 2, 3))
    assert memory >= 19 * 1024
    assert passes >= 2
    assert lanes == 1
    assert len(found[4]) >= 22  # base64 of 16 bytes of salt
    assert len(found[5]) >= 42  # base64 of 32 bytes of hash


def test_the_same_password_is_stored_twice_in_two_ways(alice: User, bob: User) -> None:
    bob.set_password("correct horse alice")
    assert alice.password != bob.password


@pytest.mark.parametrize(
    "stored",
    [
        "pbkdf2_sha256$1$salt$rJ3fGKFdsh8QIkZrPWQ8DvcnnKBnOJDBPzZmTGUqqnQ=",
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

"""The short form of a record gives the same values again. A record for which it would not is kept as it is."""

import json
from typing import Any

import pytest

from sessions_demo.record import (
    ABSOLUTE_END,
    BACKEND,
    DEVICE,
    IDLE_END,
    REAUTHENTICATED,
    REMEMBER,
    ROLE,
    SEEN,
    TOKEN_VERSION,
    USER_ID,
    short,
    whole,
)

NOW = 1800000000.123457
LOGIN = {
    USER_ID: "7",
    "_auth_user_backend": BACKEND,
    "_auth_user_hash": "0f" * 32,
    ROLE: "member",
    TOKEN_VERSION: 3,
    DEVICE: "00112233-4455-6677-8899-aabbccddeeff",
    REMEMBER: True,
    SEEN: NOW,
    REAUTHENTICATED: NOW - 0.000001,
    ABSOLUTE_END: NOW + 86400,
    IDLE_END: 1800003600.5,
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"cart": [1, {"a": None}], "_session_expiry": 60},
        {"_auth_user_backend": "project.backends.Own"},
        {ROLE: None, USER_ID: "00112233-4455-6677-8899-aabbccddeeff"},
        {SEEN: 0.0, IDLE_END: -1.5},
    ],
)
def test_a_login_becomes_a_list_and_the_same_login_again(more: dict[str, Any]) -> None:
    kept = short(LOGIN | more)
    assert isinstance(kept, list)
    found = whole(json.loads(json.dumps(kept)))
    assert found == LOGIN | more
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in (LOGIN | more).items()
    }


@pytest.mark.parametrize(
    "more",
    [
        {DEVICE: "no UUID"},
        {DEVICE: "00112233445566778899AABBCCDDEEFF"},
        {"_auth_user_hash": "0F" * 32},
        {"_auth_user_hash": "not hexadecimal"},
        {"_auth_user_hash": None},
        {REMEMBER: 2},
        {SEEN: NOW + 4e-7},
        {IDLE_END: "tomorrow"},
        {IDLE_END: float("nan")},
        {ABSOLUTE_END: float("inf")},
    ],
)
def test_what_would_not_be_the_same_again_stays_as_it_is(more: dict[str, Any]) -> None:
    record = LOGIN | more
    assert short(record) is record


@pytest.mark.parametrize("name", LOGIN)
def test_what_is_no_whole_login_stays_as_it_is(name: str) -> None:
    record = {key: value for key, value in LOGIN.items() if key != name}
    assert short(record) is record
    assert whole(record) is record

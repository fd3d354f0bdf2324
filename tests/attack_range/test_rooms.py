"""The step in a room's last hint solves the room, and nothing less does. Only what a server saw counts."""

import base64
import json
import subprocess
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.attack_range.visiting import given, last_command, text_of, visitor
from tests.running import Range

pytestmark = pytest.mark.site

SOLVED = "Solved"


@dataclass(frozen=True)
class Room:
    """`before`: the button that the last hint names. `wrong`: tries that are answered, and solve nothing."""

    slug: str
    before: str | None
    wrong: list[dict[str, str]] = field(default_factory=list)


ROOMS = [
    Room("edit-the-token", None, [{"token": "a.b.c"}, {"token": "e30.e30."}]),
    Room("copied-cookie", "log-out", [{"cookie": "another"}]),
    Room("stolen-refresh", "again", [{"token": "another"}]),
    Room("after-ban", "ban", [{"door": "expiry", "token": "a.b.c"}]),
    Room("payload", None, [{"found": "2001-12-31"}]),
    Room("weak-secret", None, [{"secret": "correct horse"}, {"token": "a.b.c"}]),
]


def enter(client: httpx.Client, slug: str, **form: str) -> httpx.Response:
    """Opens the page of a room; with a form, sends it and returns the answer."""
    answer = client.post(f"/rooms/{slug}/", data=form) if form else client.get(f"/rooms/{slug}/")
    assert answer.status_code == 200
    return answer


def is_solved(page: httpx.Response) -> bool:
    return 'class="mark yes solved"' in page.text


def edited(token: str, **claims: Any) -> str:
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) | claims
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.{signature}"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.slug)
def test_the_last_hint_solves_the_room_and_nothing_before_it_does(attack_range: Range, room: Room) -> None:
    with visitor(attack_range) as client:
        assert not is_solved(enter(client, room.slug))
        assert "Nothing was sent" in text_of(client.post(f"/rooms/{room.slug}/"))
        for form in room.wrong:
            answer = enter(client, room.slug, **form)
            assert "The server answered 40" in text_of(answer)
            assert not is_solved(answer)
        page = enter(client, room.slug, act=room.before) if room.before else enter(client, room.slug)
        assert not is_solved(page)
        command = ["bash", "-c", last_command(page)]
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        assert is_solved(enter(client, room.slug)), said
        assert f"1 of {len(ROOMS)} solved" in text_of(client.get("/rooms/"))


def test_a_token_as_it_was_issued_is_not_an_administrators(attack_range: Range) -> None:
    with visitor(attack_range) as client:
        token = given(enter(client, "edit-the-token"), "token")
        assert "The server answered 403" in text_of(enter(client, "edit-the-token", token=token))
        assert not is_solved(enter(client, "edit-the-token"))
        assert is_solved(enter(client, "edit-the-token", token=edited(token, role="admin")))


def test_a_copied_cookie_counts_only_after_the_logout(attack_range: Range) -> None:
    with visitor(attack_range) as client:
        cookie = given(enter(client, "copied-cookie"), "cookie")
        answer = enter(client, "copied-cookie", cookie=cookie)
        assert "The server answered 200" in text_of(answer)
        assert not is_solved(answer)
        enter(client, "copied-cookie", act="log-out")
        assert is_solved(enter(client, "copied-cookie", cookie=cookie))


def test_a_refresh_token_that_its_owner_exchanged_first_is_refused(attack_range: Range) -> None:
    with visitor(attack_range) as client:
        token = given(enter(client, "stolen-refresh", act="owner"), "token")
        answer = enter(client, "stolen-refresh", token=token)
        assert "The server answered 401" in text_of(answer)
        assert not is_solved(answer)


def test_the_owner_who_comes_later_raises_the_alarm(attack_range: Range) -> None:
    with visitor(attack_range) as client:
        token = given(enter(client, "stolen-refresh"), "token")
        assert is_solved(enter(client, "stolen-refresh", token=token))
        assert "came later and was answered 401" in text_of(enter(client, "stolen-refresh", act="owner"))


def test_only_the_door_that_asks_no_list_lets_a_banned_user_in(attack_range: Range) -> None:
    with visitor(attack_range) as client:
        token = given(enter(client, "after-ban"), "token")
        for door in ("look-up", "denylist", "expiry"):
            answer = enter(client, "after-ban", door=door, token=token)
            assert "The server answered 200" in text_of(answer)
            assert not is_solved(answer)
        enter(client, "after-ban", act="ban")
        for door in ("look-up", "denylist"):
            answer = enter(client, "after-ban", door=door, token=token)
            assert "The server answered 401" in text_of(answer)
            assert not is_solved(answer)
        assert is_solved(enter(client, "after-ban", door="expiry", token=token))


def test_the_token_as_it_was_issued_does_not_show_that_the_secret_is_known(attack_range: Range) -> None:
    with visitor(attack_range) as client:
        token = given(enter(client, "weak-secret"), "token")
        answer = enter(client, "weak-secret", token=token)
        assert "The server answered 200" in text_of(answer)
        assert not is_solved(answer)
        forged = edited(token, role="admin")
        assert "The server answered 401" in text_of(enter(client, "weak-secret", token=forged))


def test_a_try_counts_for_whoever_was_given_what_it_sends(attack_range: Range) -> None:
    with visitor(attack_range) as alice, visitor(attack_range) as bob:
        token = given(enter(alice, "edit-the-token"), "token")
        assert not is_solved(enter(bob, "edit-the-token", token=edited(token, role="admin")))
        assert is_solved(enter(alice, "edit-the-token"))


def test_nobody_can_write_into_the_cookie_that_a_room_is_solved(attack_range: Range) -> None:
    with visitor(attack_range) as client:
        line = client.get("/rooms/").headers["Set-Cookie"]
        assert line.startswith("range_progress=")
        assert "HttpOnly" in line
        assert "SameSite=Strict" in line
        said = json.dumps({"visit": "a" * 24, "solved": ["payload"]}).encode()
        signature = client.cookies["range_progress"].partition(":")[2]
        forged = f"{base64.urlsafe_b64encode(said).decode().rstrip('=')}:{signature}"
        client.cookies.clear()
        page = client.get("/rooms/", headers={"Cookie": f"range_progress={forged}"})
        assert f"0 of {len(ROOMS)} solved" in text_of(page)


def test_all_rooms_can_be_started_again(attack_range: Range) -> None:
    with visitor(attack_range) as client:
        token = given(enter(client, "edit-the-token"), "token")
        assert is_solved(enter(client, "edit-the-token", token=edited(token, role="admin")))
        assert f"0 of {len(ROOMS)} solved" in text_of(client.post("/rooms/reset"))
        assert not is_solved(enter(client, "edit-the-token"))


def test_what_no_header_can_hold_is_not_sent(attack_range: Range) -> None:
    with visitor(attack_range) as client:
        assert "Nothing was sent" in text_of(enter(client, "edit-the-token", token="é"))
        assert "Nothing was sent" in text_of(enter(client, "copied-cookie", cookie="a; b=c"))

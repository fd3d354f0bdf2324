"""The site's pages about the services that run beside it."""

import json
from typing import Any

import pytest

from tests.running import DESIGNS, Services, Site
from tests.site.visitor import Visitor

GATEWAY, SCALE = "/lab/gateway/", "/lab/scale/"
ALL_IN, NOBODY = dict.fromkeys(DESIGNS, 200), dict.fromkeys(DESIGNS, 401)
# In the third design the client's token also works around the gateway, and stays valid after a ban.
SEEN = {
    "through": ALL_IN,
    "spoofed": ALL_IN,
    "anonymous": NOBODY,
    "around": NOBODY | {"each": 200},
    "banned": NOBODY | {"each": 200},
}
# Look-ups for each design: the session in Redis, the denylist of tokens, none.
LOOK_UPS = {"session": {"auth": 1}, "token": {"auth": 1}, "each": {}}


class Presser(Visitor):
    """Presses a page's buttons as a script does, and gets JSON."""

    # A press may restart a worker and send a thousand requests.
    patience = 60

    def press(self, page: str, way: str) -> Any:
        """Presses the button `way` of a page; returns the result."""
        self.get(page)
        answer = self.send(
            "POST",
            page,
            f"way={way}".encode(),
            Content_Type="application/x-www-form-urlencoded",
            Accept="application/json",
            X_CSRFToken=self.cookies["__Host-csrftoken"],
        )
        assert answer.status == 200, answer
        return json.loads(answer.text)


@pytest.fixture
def presser(site: Site, services: Services) -> Presser:
    return Presser(site)


def test_each_request_of_the_gateways_page_comes_out_as_it_must_in_each_design(presser: Presser) -> None:
    for way, statuses in SEEN.items():
        trips = {trip["name"]: trip for trip in presser.press(GATEWAY, way)["trips"]}
        assert {name: trip["status"] for name, trip in trips.items()} == statuses, way
        users = {trip["user"] for trip in trips.values() if trip["status"] == 200}
        # All requests have one user, the temporary one, and never the id that the client claims.
        assert len(users) <= 1 and users.isdisjoint({"1", None}), way
        assert bool(users) is (200 in statuses.values())
        assert [trip["user"] for trip in trips.values() if trip["status"] == 401] == [None] * [
            *statuses.values()
        ].count(401)


def test_the_page_shows_at_each_hop_what_was_looked_up_and_what_arrived(presser: Presser) -> None:
    for trip in presser.press(GATEWAY, "spoofed")["trips"]:
        hops = {hop["name"]: hop for hop in trip["hops"]}
        assert {name: hop["lookups"] for name, hop in hops.items() if hop["lookups"]} == LOOK_UPS[trip["name"]]
        assert trip["lookups"] == sum(LOOK_UPS[trip["name"]].values())
        assert set(hops) == {"gateway", "orders"} | ({"auth"} if trip["name"] != "each" else set())
        # How many tokens each process verifies, and which process signs one.
        verified = {name: hop["verified"] for name, hop in hops.items() if hop["verified"]}
        assert (
            verified
            == {"session": {"orders": 1}, "token": {"auth": 1, "orders": 1}, "each": {"orders": 1}}[trip["name"]]
        )
        assert [name for name, hop in hops.items() if hop["signed"]] == (["auth"] if "auth" in hops else [])
        arrived = {name.lower(): value for name, value in hops["orders"]["headers"]}
        assert arrived.get("x-user-id") == (trip["user"] if "auth" in hops else None)
        assert ("authorization" in arrived) is (trip["name"] == "each")


@pytest.mark.exhaustive
def test_the_page_as_a_browser_gets_it_has_a_drawing_and_words_for_each_design(presser: Presser) -> None:
    page = presser.submit(GATEWAY, way="through")
    assert page.status == 200
    assert page.text.count("<sequence-diagram ") == len(DESIGNS) == page.text.count('<ol class="words">')
    for way in ("turn", "grow"):
        page = presser.submit(SCALE, way=way)
        assert page.status == 200
        assert 'id="seen"' in page.text


def test_a_login_in_memory_is_known_to_its_own_worker_alone(presser: Presser) -> None:
    found = {one["flow"]: one["statuses"] for one in presser.press(SCALE, "turn")["found"]}
    assert found == {"memory": [200, 401] * 3, "session": [200] * 6, "jwt": [200] * 6}


@pytest.mark.exhaustive
def test_a_restart_ends_the_logins_in_memory_alone(presser: Presser) -> None:
    found = {one["flow"]: one["statuses"] for one in presser.press(SCALE, "restart")["found"]}
    assert found == {"memory": [401] * 3, "session": [200] * 3, "jwt": [200] * 3}


@pytest.mark.exhaustive
def test_sessions_of_visitors_fill_the_memory_or_are_thrown_away(presser: Presser) -> None:
    unlimited, limited = presser.press(SCALE, "grow")["found"]
    assert (unlimited["cache"], limited["cache"]) == ("unlimited", "limited")
    assert unlimited["kept"] == unlimited["visitors"] == limited["visitors"]
    assert 0 < limited["kept"] <= 300
    assert unlimited["memory"] > 200 * unlimited["visitors"]

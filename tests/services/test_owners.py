"""A service gives a user only the user's own data, and the total only to an administrator."""

import json

from tests.running import DESIGNS, Services
from tests.services.client import Answer, Client, as_lines, ask
from tests.site.backstage import Backstage

JSON = b"Content-Type: application/json"


def add(client: Client, path: str, **fields: object) -> Answer:
    body, lines = json.dumps(fields).encode(), [*as_lines(client.credential("each")), JSON]
    return ask(client.services, "gateway", f"/each/{path}/", *lines, method="POST", body=body)


def test_nobody_sees_or_removes_what_is_anothers(services: Services, alice: Client, backstage: Backstage) -> None:
    [email] = backstage.ask("people", f"somebody-else-{services.environment['GATEWAY']}", 1, "alice@example.com")
    other = Client(services, email)
    other.log_in()
    own = alice.get("each").json["userId"]
    # The services ignore a field that names the owner.
    assert add(alice, "orders", article="a lamp", user=other.get("each").json["userId"], id=1).status == 201
    assert add(alice, "billing", cents=1200, user="1").status == 201
    for design in DESIGNS:
        assert other.get(design).json["orders"] == other.get(design, "billing/").json["payments"] == []
        for query in (f"?user={own}", f"?userId={own}", "?user=1"):
            assert other.get(design, f"orders/{query}").json["orders"] == []
    for service in ("orders", "billing"):
        lines = as_lines(other.credential("each"))
        assert ask(services, "gateway", f"/each/{service}/", *lines, method="DELETE").status == 204
    assert [order["article"] for order in alice.get("each").json["orders"]] == ["a lamp"]
    assert [payment["cents"] for payment in alice.get("each", "billing/").json["payments"]] == [1200]


def test_the_total_is_for_an_administrator(services: Services, alice: Client, backstage: Backstage) -> None:
    [email] = backstage.ask("people", f"who-looks-after-{services.environment['GATEWAY']}", 1, "alice@example.com")
    admin = Client(services, email)
    backstage.ask("promote", email)
    admin.log_in()
    for design in DESIGNS:
        assert alice.get(design, "billing/total").status == 403
        assert ask(services, "gateway", f"/{design}/billing/total").status == 401
        assert admin.get(design, "billing/total").status == 200
        assert admin.get(design).json["role"] == "admin"

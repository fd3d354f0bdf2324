"""docs/keys.md: its code for a service verifies the tokens of a running site, and refuses all others."""

import base64
import json
import re
from typing import Any

import jwt
import pytest

from tests.running import ROOT, Site
from tests.site.visitor import Visitor

pytestmark = pytest.mark.site

PAGE = (ROOT / "docs" / "keys.md").read_text()


@pytest.fixture
def names(site: Site) -> dict[str, Any]:
    """The names that the page's code defines."""
    [code] = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "PyJWKClient" in block]
    found: dict[str, Any] = {}
    exec(code.replace("https://login.example.org", site.url), found)  # noqa: S102
    return found


@pytest.fixture
def claims_of(names: dict[str, Any]) -> Any:
    return names["claims_of"]


def tokens(site: Site) -> dict[str, str]:
    body = {"email": "bob@example.com", "password": "demo-only-bob", "transport": "body"}
    answer = Visitor(site).send("POST", "/jwt/auth/login", json.dumps(body).encode(), Content_Type="application/json")
    found: dict[str, str] = json.loads(answer.text)
    return found


def decoded(segment: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=="))
    return found


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_a_service_verifies_with_what_is_published(site: Site, claims_of: Any) -> None:
    found = tokens(site)
    assert claims_of(found["accessToken"])["role"] == "member"
    header, body, signature = found["accessToken"].split(".")
    forged = encoded(decoded(body) | {"role": "admin"})
    untyped = encoded({name: value for name, value in decoded(header).items() if name != "typ"})
    for text in (
        f"{header}.{forged}.{signature}",
        found["refreshToken"],
        f"{header}.{body}.",
        f"{untyped}.{body}.{signature}",
    ):
        with pytest.raises(jwt.PyJWTError):
            claims_of(text)


def test_an_invented_name_of_a_key_is_no_request_to_the_site(
    site: Site, names: dict[str, Any], claims_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, fetches = names["KEYS"], []
    fetch = client.fetch_data
    monkeypatch.setattr(client, "fetch_data", lambda: fetches.append(1) or fetch())
    token = tokens(site)["accessToken"]
    assert claims_of(token)
    _, body, signature = token.split(".")
    for number in range(5):
        header = encoded({"alg": "EdDSA", "typ": "at+jwt", "kid": f"invented {number}"})
        with pytest.raises(jwt.PyJWTError):
            claims_of(f"{header}.{body}.{signature}")
    assert len(fetches) == 1
    # As the page says. After this time an unknown `kid` may be a new key, and the keys are fetched once.
    assert client.cooldown_duration == 30
    monkeypatch.setattr(client, "cooldown_duration", 0)
    with pytest.raises(jwt.PyJWTError):
        claims_of(f"{header}.{body}.{signature}")
    assert len(fetches) == 2

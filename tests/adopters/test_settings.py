"""Another project's `SIMPLE_JWT` from stock SimpleJWT: each setting takes effect, or the server refuses to start."""

import re
import stat
import time
from typing import Any

import jwt
import pytest

from tests.adopters.host import Host
from tests.adopters.test_parts import PASSWORD, TOKENS, USERS, by_token
from tests.running import ROOT
from tests.site.holder import REFRESH, WHOAMI, Holder

pytestmark = pytest.mark.site
OBEYED = """
from datetime import timedelta
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=30),
    "REFRESH_TOKEN_LIFETIME": timedelta(hours=1),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": False,
    "AUTH_HEADER_TYPES": ("JWT", "Bearer"),
    "AUTH_HEADER_NAME": "HTTP_X_TOKEN",
    "USER_ID_FIELD": "id",
    "USER_ID_CLAIM": "user_id",
    "ISSUER": "shop",
    "AUDIENCE": "shop's own API",
    "SLIDING_TOKEN_LIFETIME": timedelta(minutes=5),
    "TOKEN_OBTAIN_SERIALIZER": "rest_framework_simplejwt.serializers.TokenObtainPairSerializer",
}
JWT_AUTH = {"JWT_ALLOW_REFRESH": True}
"""
REFUSED = """
SIMPLE_JWT |= {"ROTATE_REFRESH_TOKENS": False, "ALGORITHM": "HS512", "LEEWAY": 61, "ACCES_TOKEN_LIFETIME": 1}
JWT_REFRESH_LIFETIME = 60
"""


KEYS_PAGE = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "keys.md").read_text(), re.S)


def publish(host: Host) -> None:
    """Adds the lines that publish the keys at an address."""
    assert stat.S_IMODE((host.folder / "keys.json").stat().st_mode) == 0o600
    [address] = [block for block in KEYS_PAGE if "urlpatterns" in block]
    host.type(host.urls, address)


def published(host: Host, token: str) -> dict[str, Any]:
    """The claims of a token, verified as by a service that knows only the address of the keys."""
    client = jwt.PyJWKClient(f"http://localhost:{host.port}/.well-known/jwks.json")
    key = client.get_signing_key_from_jwt(token)
    assert key.algorithm_name == "EdDSA"
    claims: dict[str, Any] = jwt.decode(token, key, ["EdDSA"], issuer="shop", audience="shop's own API")
    return claims


def asks(host: Host, token: str, word: str = "JWT", header: str = "X-Token") -> int:
    return Holder(host).send("GET", WHOAMI, **{header: f"{word} {token}"}).status


@pytest.mark.exhaustive
def test_a_project_that_has_a_simple_jwt_of_its_own() -> None:
    with Host(OBEYED) as host:
        host.shell(USERS.replace("NUMBER", "1"))
        host.store.start()
        host.take(TOKENS, "security", "jwt_demo")
        publish(host)
        host.start()
        holder = by_token(host, "user0")
        claims = holder.claims
        assert published(host, holder.access) == claims
        with pytest.raises(jwt.PyJWTError):
            published(host, holder.refresh)
        assert (claims["user_id"], claims["iss"], claims["aud"]) == ("1", "shop", "shop's own API")
        assert (claims["exp"] - claims["iat"], "sub" in claims) == (30, False)
        assert [asks(host, holder.access, word) for word in ("JWT", "jwt", "Bearer", "Token")] == [200, 200, 200, 401]
        assert asks(host, holder.access, header="Authorization") == 401
        assert host.shell("found = User.objects.get().last_login") is None
        code = "from jwt_demo.tokens import AccessToken\nfound = str(AccessToken.for_user(User.objects.get()))"
        assert asks(host, host.shell(code)) == 200
        assert holder.post(REFRESH).status == 200
        time.sleep(max(0, holder.claims["exp"] - time.time() + 1))
        assert asks(host, holder.access) == 401
        assert_refused(host)


def assert_refused(host: Host) -> None:
    """The error names the settings that would have no effect, and the server does not start."""
    host.stop()
    host.type(host.settings, REFUSED)
    with pytest.raises(AssertionError):
        host.start()
    for name in ("ROTATE_REFRESH_TOKENS", "ALGORITHM", "LEEWAY", "ACCES_TOKEN_LIFETIME", "JWT_REFRESH_LIFETIME"):
        assert name in host.log
    assert PASSWORD not in host.log

"""No demonstration of the lab, and not the home page, touches the visitor's own logins."""

import re
from typing import Any

import pytest
from django.conf import settings

from accounts.models import User
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.models import TokenFamily
from lab.experiments.coat_check import STEPS
from lab.pages import PAGES, start
from sessions_demo.models import DeviceSession
from tests.conftest import PASSWORDS, Browser

FORM = re.compile(r'<form[^>]*method="post"[^>]*>(.*?)</form>', re.DOTALL)
FIELD = re.compile(r"<(?:input|button|select|textarea)[^>]*>")
NAME, VALUE, ACTION = (re.compile(rf'\b{name}="([^"]*)"') for name in ("name", "value", "(?:form)?action"))


def posts(address: str, page: str) -> list[tuple[str, dict[str, str]]]:
    """What each button of each form of a page of the lab sends, and to which address."""
    found = []
    for form in FORM.finditer(page):
        fields = FIELD.findall(form[1])
        buttons = [field for field in fields if field.startswith("<button")]
        data = dict(pair for field in fields if field not in buttons if (pair := sent(field)) and pair[1])
        # The button of a form may stand elsewhere on the page.
        for button in [each for each in buttons if 'type="button"' not in each] or ["<button>"]:
            action = ACTION.search(button) or ACTION.search(form[0].partition(">")[0])
            target = action[1].partition("#")[0] if action else ""
            pair = sent(button)
            found.append((target if target.startswith("/") else address + target, data | dict([pair] if pair else [])))
    return [
        (target, data) for target, data in found if target.startswith(("/lab/", "/claims/", "/start/")) or target == "/"
    ]


def sent(field: str) -> tuple[str, str] | None:
    name, value = NAME.search(field), VALUE.search(field)
    return (name[1], value[1] if value else "") if name and name[1] != "csrfmiddlewaretoken" else None


ADDRESSES = ["/", *map(start.address, STEPS), *(f"/lab/{name}/" for name, _, _ in PAGES), "/claims/C102/"]
# They show a record, or a GET answers.
WITHOUT_FORMS = {"/lab/range/", "/lab/compare/", "/lab/decide/"}
# Without the services there is nothing to ask.
STATUS = {"/lab/gateway/": 503, "/lab/scale/": 503}
# Four rounds with tokens of a few seconds, and the like.
SLOW = {"/lab/revocation/", "/lab/inspect/", "/lab/keys/", "/lab/interview/", "/lab/mistakes/", "/lab/measure/"}


@pytest.mark.parametrize(
    "address",
    [pytest.param(one, marks=pytest.mark.exhaustive) if one in SLOW else one for one in ADDRESSES],
)
def test_a_demonstration_leaves_the_visitors_logins_as_they_are(alice: User, browser: Browser, address: str) -> None:
    credentials = {"email": alice.email, "password": PASSWORDS[alice.email]}
    browser.submit("/session/login/", credentials)
    login = browser.post("/jwt/auth/login", credentials, content_type="application/json")
    bearer = {"Authorization": f"Bearer {login.json()['accessToken']}"}
    before = own_logins(browser, alice)
    # Only the page's own forms: the strip and the bar above it have forms on every page.
    demonstrations = posts(address, browser.get(address).content.decode().partition("<main")[2])
    assert bool(demonstrations) is (address not in WITHOUT_FORMS)
    for target, data in demonstrations:
        assert browser.submit(target, data).status_code == STATUS.get(address, 200), (target, data)
        assert own_logins(browser, alice) == before, (target, data)
        assert browser.get("/jwt/api/whoami", headers=bearer).status_code == 200
    assert browser.get("/session/api/whoami").status_code == 200


def own_logins(browser: Browser, user: User) -> list[Any]:
    names = (settings.SESSION_COOKIE_NAME, jwt_conf.JWT_REFRESH_COOKIE_NAME)
    rows = [
        model.objects.filter(user=user, ended=None).values_list("pk", flat=True)
        for model in (DeviceSession, TokenFamily)
    ]
    return [*(browser.cookies[name].value for name in names), *map(sorted, rows)]

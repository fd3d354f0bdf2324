"""An administrator acts in one browser. A user in two others is out on the next action, and is told why."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import session_login
from tests.browser.tokens import ALL, press, state, title, token_login
from tests.running import Site
from tests.sampling import sampled
from tests.site.backstage import Backstage

pytestmark = pytest.mark.browser


def ban(admin: Page) -> None:
    admin.get_by_role("link", name="Ban", exact=True).click()
    admin.get_by_label("Reason").fill("phone stolen")
    admin.get_by_role("button", name="Ban", exact=True).click()


def revoke(admin: Page) -> None:
    admin.get_by_role("link", name="Revoke access").click()
    admin.get_by_label("Reason").fill("phone stolen")
    admin.get_by_role("button", name="Revoke access").click()


ACTS = [("bertha", ban), ("carla", revoke)]


@pytest.mark.parametrize(("name", "act"), sampled(ACTS, ACTS[:1]))
def test_who_is_banned_is_out_in_both_flows_on_her_next_action(
    visit: Callable[..., Page],
    site: Site,
    backstage: Backstage,
    admin_state: Any,
    name: str,
    act: Callable[[Page], None],
) -> None:
    backstage.ask("add_people", name)
    admin, pages, tokens = visit(), visit(), visit(refusals=ALL)
    admin.context.add_cookies(admin_state["cookies"])
    session_login(pages, site, name)
    token_login(tokens, site, name)
    admin.goto(f"{site.url}/admin/accounts/user/?q={name}")
    admin.get_by_role("link", name=f"{name}@example.com").click()
    act(admin)
    expect(admin.get_by_text("Ended: 1 session, 1 token login.")).to_be_visible()
    pages.reload()
    expect(title(pages)).to_have_text("Log in")
    expect(pages.get_by_text("Your access was revoked")).to_be_visible()
    press(tokens, "Try the staff page")
    expect(state(tokens)).to_contain_text("Your access was revoked")

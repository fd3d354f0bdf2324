"""The JavaScript clients, in a page: the very files that the page shows."""

import pytest
from playwright.sync_api import Page

from tests.running import Site

RUN = """async ([name, base]) => {
    const link = document.querySelector(`a[download="${name}"]`);
    return (await import(link.href)).run(base, "bob@example.com", "demo-only-bob");
}"""


@pytest.mark.browser
@pytest.mark.parametrize("flow", ["session", "jwt"])
def test_the_client_runs_in_a_page(site: Site, page: Page, flow: str) -> None:
    page.goto(f"{site.url}/lab/clients/")
    said = page.evaluate(RUN, [f"{flow}.mjs", site.url])
    assert said[-1] == {"message": "Logged out"}
    assert {"userId", "role"} in [set(answer) for answer in said]
    assert said[-2]["data"]["email"] == "bob@example.com"
    left = {cookie["name"] for cookie in page.context.cookies()} & {"__Host-sessionid", "__Host-refresh"}
    assert not left

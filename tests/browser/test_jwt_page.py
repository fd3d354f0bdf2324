"""The token flow's pages: login, other devices, logout, and what the browser stores."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PAYLOAD, session_login
from tests.browser.test_keyboard import tab_to
from tests.browser.tokens import (
    ALL,
    ENDED,
    IN,
    LOST,
    OFFLINE,
    OUT,
    REUSED,
    REVOKED,
    SEARCH,
    fill,
    press,
    refresh_cookie,
    refresh_cookies,
    refresh_elsewhere,
    refreshing,
    renew,
    state,
    title,
    token_login,
    user_agent,
)
from tests.running import Site, until
from tests.sampling import sampled
from tests.site.backstage import Backstage

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("people", "cast")]

STRANGER = "Another user logged in here, in another tab. Load this page again to go on as that user."
UNREACHABLE = "The server cannot be reached right now."


@pytest.fixture(scope="module")
def people(backstage: Backstage) -> None:
    # Tests change these users' passwords, devices or tokens, each user's in one test only. They do not change Walter's.
    backstage.ask(
        "add_people",
        "anna",
        "bert",
        "carl",
        "dora",
        "emil",
        "fay",
        "gus",
        "hope",
        "ines",
        "jill",
        "kate",
        "lena",
        "mona",
    )


# ── In ──


def test_a_user_logs_in_and_sees_the_profile(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=ALL)
    page.goto(f"{site.url}/jwt/")
    expect(state(page)).to_have_text(OUT)
    fill(page, "walter", "a guess")
    expect(page.get_by_role("alert")).to_have_text("This e-mail address and password do not belong together.")
    expect(page.get_by_role("alert")).to_be_focused()
    assert refresh_cookies(page.context) == []

    fill(page, "walter")
    expect(title(page)).to_have_text("Walter")
    expect(title(page)).to_be_focused()
    expect(state(page)).to_have_text(IN)
    expect(page.get_by_role("region", name="You", exact=True)).to_contain_text("walter@example.com")
    expect(page.get_by_role("region", name="This token")).to_contain_text("member")
    expect(page.get_by_role("region", name="Devices").get_by_role("listitem").first).to_contain_text("this browser")
    press(page, "Try the staff page")
    expect(state(page)).to_have_text("The staff page says: Forbidden.")


def test_the_page_tells_a_session_from_a_token_login(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=ALL)
    session_login(page, site, "lena")
    page.goto(f"{site.url}/jwt/")
    beside = "You are logged in with a session as Lena, not with a token."
    expect(state(page)).to_have_text(beside)
    fill(page, "lena")
    expect(state(page)).to_have_text(IN)
    press(page, "Log out here")
    expect(state(page)).to_have_text(f"Your token login has ended. {beside}")
    fill(page, "lena")
    press(page, "Log out everywhere")
    expect(state(page)).to_have_text("You are logged out.")


def test_the_token_is_explained_in_words(page: Page, site: Site) -> None:
    token_login(page, site, "walter")
    token = page.get_by_role("region", name="This token")
    expect(token.get_by_text("14 min")).to_be_visible()
    expect(token.get_by_text("an id, and no name or address", exact=False)).to_be_visible()
    expect(token.get_by_text("an id that no other token has", exact=False)).to_be_visible()
    token.get_by_text("The same, as it stands in the token").click()
    expect(token.get_by_text('"jti": "')).to_be_visible()


def test_a_banned_user_reads_that_the_access_was_revoked(
    visit: Callable[..., Page], site: Site, backstage: Backstage
) -> None:
    page = visit(refusals=ALL)
    token_login(page, site, "mona")
    backstage.ask("ban", "mona@example.com")
    page.reload()
    expect(state(page)).to_contain_text(REVOKED)
    expect(state(page)).not_to_contain_text("password")


def test_two_new_passwords_that_differ_are_sent_nowhere(page: Page, site: Site) -> None:
    token_login(page, site, "walter")
    form = page.locator("#change")
    for label, text in PASSWORDS_THAT_DIFFER.items():
        form.get_by_label(label, exact=True).fill(text)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    press(page, "Change the password")
    expect(form.get_by_role("alert")).to_contain_text("didn’t match")
    expect(form.get_by_text("at least 8 characters")).to_be_visible()
    assert [url for url in sent if url.endswith("/jwt/auth/password")] == []


def test_a_button_works_while_the_page_still_loads(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=ALL)
    waiting: list[Route] = []
    page.route("**/jwt/api/devices", lambda route: waiting.append(route))
    page.goto(f"{site.url}/jwt/")
    fill(page, "walter")
    expect(title(page)).to_have_text("Walter")
    press(page, "Try the staff page")
    expect(state(page)).to_have_text("The staff page says: Forbidden.")
    (devices,) = waiting
    devices.continue_()
    expect(page.get_by_role("region", name="Devices").get_by_role("listitem").first).to_contain_text("this browser")
    expect(page.get_by_role("button", name="Try the staff page")).to_be_focused()


PASSWORDS_THAT_DIFFER = {
    "Old password": "correct horse walter",
    "New password": "battery staple walter",
    "New password confirmation": "battery staple",
}
LIVES = [(False, None), (True, 2_592_000)]


@pytest.mark.parametrize(("remember", "seconds"), sampled(LIVES, LIVES[:1]), ids=["browser", "30-days"])
def test_the_browser_holds_the_cookie_as_promised(page: Page, site: Site, remember: bool, seconds: int | None) -> None:
    token_login(page, site, "walter", remember)
    cookie = refresh_cookie(page.context)
    assert cookie == cookie | {
        "domain": "localhost",  # and not ".localhost": for this host only
        "path": "/",
        "secure": True,
        "httpOnly": True,
        "sameSite": "Strict",
    }
    assert cookie["expires"] == -1 if seconds is None else abs(cookie["expires"] - time.time() - seconds) < 30


def test_no_script_can_find_the_token(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/jwt/")
    with page.expect_response("**/jwt/auth/login") as answer:
        fill(page, "walter")
    expect(title(page)).to_have_text("Walter")
    token = answer.value.json()["accessToken"]
    parts = [*token.split("."), *refresh_cookie(page.context)["value"].split(".")[1:]]
    assert page.evaluate(SEARCH, parts) == []

    press(page, "Show the token")
    expect(page.get_by_text(token)).to_be_visible()
    assert page.evaluate(SEARCH, parts) == ["document"]
    press(page, "Hide the token")
    assert page.evaluate(SEARCH, parts) == []
    page.evaluate("token => { window.kept = {deep: [token]}; document.body.kept = token; }", token)
    page.evaluate(
        "token => { localStorage.kept = token; document.querySelector('template').content.append(token); }", token
    )
    found = page.evaluate(SEARCH, parts)
    assert {"localStorage", "template", "window.kept.deep.0", "BODY.kept"} <= set(found), found


def test_a_reload_keeps_her_in(page: Page, site: Site) -> None:
    token_login(page, site, "walter")
    before = refresh_cookie(page.context)["value"]
    page.reload()
    expect(title(page)).to_have_text("Walter")
    assert refresh_cookie(page.context)["value"] != before


@pytest.mark.exhaustive
def test_a_name_and_a_user_agent_are_text(visit: Callable[..., Page], site: Site) -> None:
    page = visit(user_agent=PAYLOAD)
    page.goto(f"{site.url}/jwt/")
    fill(page, "mallory")
    expect(title(page)).to_have_text(PAYLOAD)
    expect(page.get_by_role("heading", name=PAYLOAD[:60], level=3)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0


def test_one_logs_in_and_out_by_keyboard_alone(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/jwt/")
    expect(state(page)).to_have_text(OUT)
    tab_to(page, "id_email")
    page.keyboard.type("ines@example.com")
    tab_to(page, "id_password")
    page.keyboard.type("correct horse ines")
    page.keyboard.press("Enter")
    expect(title(page)).to_have_text("Ines")
    expect(title(page)).to_be_focused()
    tab_to(page, "Show the token")
    tab_to(page, "Log out here")
    page.keyboard.press("Enter")
    expect(state(page)).to_have_text("You are logged out.")
    expect(title(page)).to_be_focused()


def test_without_javascript_the_page_leads_to_the_other_flow(visit: Callable[..., Page], site: Site) -> None:
    page = visit(java_script_enabled=False)
    page.goto(f"{site.url}/jwt/")
    # Playwright's locators by text and role do not search here.
    expect(page.locator("noscript p")).to_contain_text("This way of logging in needs JavaScript")
    expect(page.get_by_label("Password", exact=True)).to_be_hidden()
    page.locator("noscript a").click()
    expect(page).to_have_url(f"{site.url}/session/login/")


def test_the_page_is_sound_outside_and_inside(
    visit: Callable[..., Page], sound: Callable[..., None], site: Site
) -> None:
    page = visit(refusals=ALL)
    page.goto(f"{site.url}/jwt/")
    fill(page, "jill", "a guess")
    expect(page.get_by_role("alert")).to_be_visible()
    sound(page)
    fill(page, "jill")
    expect(page.get_by_role("button", name="End this one and log out")).to_be_visible()
    press(page, "Show the token")
    sound(page)


# ── Refreshing ──


def test_two_tabs_refresh_together_and_both_stay_in(page: Page, site: Site) -> None:
    token_login(page, site, "walter")
    tabs = [page, page.context.new_page()]
    tabs[1].goto(f"{site.url}/jwt/")
    expect(title(tabs[1])).to_have_text("Walter")
    log = site.log.read_text()
    for _ in range(10):
        with refreshing(tabs[0]) as one, refreshing(tabs[1]) as other:
            for tab in tabs:
                tab.evaluate("setTimeout(() => document.querySelector('[data-do=refresh]').click())")
        assert (one.value.status, other.value.status) == (200, 200)
        for tab in tabs:
            expect(state(tab)).to_have_text("You have a new token.")
            tab.evaluate("document.querySelector('#state').textContent = ''")
    renew(tabs[0])
    renew(tabs[1])
    assert "token_reused" not in site.log.read_text()[len(log) :]


def test_tabs_take_turns_with_the_cookie(page: Page, site: Site) -> None:
    token_login(page, site, "walter")
    tabs = [page, page.context.new_page()]
    tabs[1].goto(f"{site.url}/jwt/")
    expect(title(tabs[1])).to_have_text("Walter")
    under_way, most = 0, 0

    def watched(route: Route) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        response = route.fetch()
        under_way -= 1
        route.fulfill(response=response)

    page.context.route("**/jwt/auth/refresh", watched)
    with refreshing(tabs[0]), refreshing(tabs[1]):
        for tab in tabs:
            tab.evaluate("setTimeout(() => document.querySelector('[data-do=refresh]').click())")
    assert most == 1


def test_a_page_refreshes_without_web_locks_and_channels(visit: Callable[..., Page], site: Site) -> None:
    page = visit(fresh=True)
    page.add_init_script(
        "Object.defineProperty(navigator, 'locks', {value: undefined}); delete window.BroadcastChannel"
    )
    token_login(page, site, "walter")
    assert page.evaluate("navigator.locks === undefined && !('BroadcastChannel' in window)")
    renew(page)
    press(page, "Log out here")
    expect(state(page)).to_have_text("You are logged out.")


def test_an_answer_that_got_lost_is_asked_for_again(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=ALL)
    token_login(page, site, "walter")
    lost: list[int] = []
    agent, old = user_agent(page), refresh_cookie(page.context)["value"]

    def lose(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(refresh_elsewhere(site, old, agent)[0])
        route.abort()

    page.route("**/jwt/auth/refresh", lose)
    press(page, "Get a new one")
    expect(state(page)).to_have_text("You have a new token.")
    assert lost == [200]
    assert refresh_cookie(page.context)["value"] != old
    renew(page)


def test_a_lost_answer_that_is_asked_for_too_late_is_not_called_a_theft(
    visit: Callable[..., Page], site: Site, backstage: Backstage
) -> None:
    """The answer to a refresh is lost, and the server sees the old token again only after the grace period."""
    page, elsewhere = visit(refusals=OFFLINE), visit(refusals=ALL)
    token_login(page, site, "kate")
    token_login(elsewhere, site, "kate")
    lose_an_answer(page, site, lambda: backstage.ask("age_families", "kate@example.com", 11))
    expect(state(page)).to_have_text(LOST)
    expect(page.get_by_label("Password", exact=True)).to_be_visible()
    renew(elsewhere)
    assert backstage.ask("mails", "kate@example.com") == {"due": [], "sent": []}
    fill(page, "kate")
    expect(title(page)).to_have_text("Kate")


def lose_an_answer(page: Page, site: Site, meanwhile: Callable[[], None]) -> None:
    """Drops the answer of a refresh that the server has carried out. The page can retry after `meanwhile`."""
    agent, old = user_agent(page), refresh_cookie(page.context)["value"]
    lost: list[int] = []

    def lose(route: Route) -> None:
        if not lost:
            lost.append(refresh_elsewhere(site, old, agent)[0])
        route.abort()

    page.route("**/jwt/auth/refresh", lose)
    press(page, "Get a new one")
    expect(state(page)).to_contain_text(UNREACHABLE)
    page.context.set_offline(True)
    meanwhile()
    page.unroute("**/jwt/auth/refresh")
    page.context.set_offline(False)
    assert lost == [200]


def test_a_token_that_is_about_to_end_is_replaced_first_whatever_the_clock_says(
    visit: Callable[..., Page], site: Site
) -> None:
    page = visit(refusals=ALL, fresh=True)
    page.add_init_script("{ const now = Date.now; window.ahead = 1e9; Date.now = () => now() + window.ahead; }")
    token_login(page, site, "walter")
    refreshes: list[str] = []
    page.on("request", lambda request: refreshes.extend([request.url] if "refresh" in request.url else []))
    press(page, "Try the staff page")
    expect(state(page)).to_contain_text("Forbidden")
    assert refreshes == []
    page.evaluate("window.ahead += 1000 * (15 * 60 - 20)")  # the machine slept
    with page.expect_response("**/jwt/api/staff"):
        press(page, "Try the staff page")
    expect(page.locator("[data-left]")).to_contain_text("14 min")
    assert len(refreshes) == 1


def test_a_token_the_server_refuses_is_replaced_and_the_request_sent_again(
    visit: Callable[..., Page], site: Site
) -> None:
    page = visit(refusals=ALL)
    token_login(page, site, "walter")
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.headers["authorization"])
        if len(asked) < 2:
            route.fulfill(status=401, json={"error": "Token expired"})
        else:
            route.continue_()

    page.route("**/jwt/api/staff", refuse)
    press(page, "Try the staff page")
    expect(state(page)).to_have_text("The staff page says: Forbidden.")
    assert len(asked) == len(set(asked)) == 2


def test_a_replayed_token_throws_everybody_out(visit: Callable[..., Page], site: Site) -> None:
    page, elsewhere = visit(refusals=ALL), visit(refusals=ALL)
    token_login(page, site, "anna")
    token_login(elsewhere, site, "anna")
    stolen = refresh_cookie(page.context)["value"]
    renew(page)
    renew(page)
    assert refresh_elsewhere(site, stolen, "mallory/1.0") == (401, {"error": "Token reuse detected"})
    for window in (page, elsewhere):
        press(window, "Try the staff page")
        expect(state(window)).to_contain_text(ENDED)
        expect(state(window)).to_contain_text("change your password")
        expect(title(window)).to_have_text("Log in with a token")
        assert "anna@example.com" not in window.content()


def test_the_user_is_told_when_the_token_of_this_browser_had_been_used(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=ALL)
    token_login(page, site, "bert")
    assert refresh_elsewhere(site, refresh_cookie(page.context)["value"], "mallory/1.0")[0] == 200
    press(page, "Get a new one")
    expect(state(page)).to_have_text(REUSED)
    expect(page.get_by_label("Password", exact=True)).to_be_visible()


def test_offline_is_not_logged_out(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=OFFLINE)
    token_login(page, site, "walter")
    page.context.set_offline(True)
    expect(state(page)).to_have_text(UNREACHABLE)
    expect(title(page)).to_have_text("Walter")
    press(page, "Log out here")
    expect(state(page)).to_have_text(f"{UNREACHABLE} You are still logged in.")
    page.context.set_offline(False)
    expect(state(page)).to_have_text(IN)
    renew(page)


def test_a_network_that_is_said_to_be_back_too_early_is_tried_again_soon(
    visit: Callable[..., Page], site: Site
) -> None:
    page, failed = visit(refusals=OFFLINE, fresh=True), []
    page.clock.install()
    token_login(page, site, "walter")
    page.on("requestfailed", lambda request: failed.append(request))
    page.route("**/jwt/auth/refresh", lambda route: route.abort())
    page.context.set_offline(True)
    expect(state(page)).to_have_text(UNREACHABLE)
    for tries in range(2, 12, 2):  # each refresh is sent twice; by then it waits a minute between them
        page.clock.run_for(61_000)
        until(lambda: page.wait_for_timeout(20) or len(failed) >= tries)  # noqa: B023
    failed.clear()
    page.context.set_offline(False)
    until(lambda: page.wait_for_timeout(20) or len(failed) >= 2)
    page.unroute("**/jwt/auth/refresh")
    page.clock.run_for(2500)
    expect(state(page)).to_have_text(IN)


@pytest.mark.parametrize("address", sampled(["**/jwt/auth/refresh", "**/jwt/api/*"], {"**/jwt/auth/refresh"}))
def test_an_outage_is_not_a_logout(visit: Callable[..., Page], site: Site, address: str) -> None:
    page = visit(refusals=ALL)
    token_login(page, site, "walter")
    page.route(address, lambda route: route.fulfill(status=503, json={"error": "Unavailable"}))
    page.reload()
    expect(state(page)).to_have_text(UNREACHABLE)
    expect(page.get_by_label("Password", exact=True)).to_be_hidden()
    page.unroute(address)
    expect(title(page)).to_have_text("Walter")


# ── Elsewhere ──


def test_one_device_ends_another(visit: Callable[..., Page], site: Site) -> None:
    phone, desk = visit(refusals=ALL, user_agent="Mozilla/5.0 (iPhone) Safari/604.1"), visit()
    token_login(phone, site, "carl")
    token_login(desk, site, "carl", remember=True)
    there = desk.get_by_role("listitem").filter(has_text="Safari on iPhone")
    there.get_by_text("What the browser calls itself").click()
    expect(there.get_by_text("Mozilla/5.0 (iPhone) Safari/604.1")).to_be_visible()
    there.get_by_role("button", name="End", exact=True).click()
    expect(there).to_have_count(0)
    expect(desk.get_by_role("heading", name="Devices")).to_be_focused()
    expect(state(desk)).to_have_text("Safari on iPhone was ended.")
    press(phone, "Try the staff page")
    expect(state(phone)).to_contain_text(ENDED)


@pytest.mark.exhaustive
def test_the_others_are_ended_together(visit: Callable[..., Page], site: Site) -> None:
    others, here = [visit(refusals=ALL), visit(refusals=ALL)], visit()
    for page in (*others, here):
        token_login(page, site, "dora")
    here.get_by_text("End the others …").click()
    press(here, "Yes, end them")
    expect(state(here)).to_have_text("All your other token logins were ended. This one goes on.")
    expect(here.get_by_text("End the others …")).to_be_hidden()
    for page in others:
        page.reload()
        expect(state(page)).to_contain_text(ENDED)


@pytest.mark.exhaustive
def test_a_new_password_ends_the_others_and_gives_this_one_new_tokens(visit: Callable[..., Page], site: Site) -> None:
    here, there = visit(refusals=ALL), visit(refusals=ALL)
    for page in (here, there):
        token_login(page, site, "emil")
    old = refresh_cookie(here.context)["value"]
    form = here.locator("#change")
    form.get_by_label("Old password", exact=True).fill("a guess")
    for label in ("New password", "New password confirmation"):
        form.get_by_label(label, exact=True).fill("battery staple emil")
    press(here, "Change the password")
    expect(form.get_by_role("alert")).to_have_text("This is not your password.")
    form.get_by_label("Old password", exact=True).fill("correct horse emil")
    for label in ("New password", "New password confirmation"):
        form.get_by_label(label, exact=True).fill("short")
    press(here, "Change the password")
    expect(form.get_by_role("link", name="New password: ")).to_be_visible()
    for label in ("New password", "New password confirmation"):
        form.get_by_label(label, exact=True).fill("battery staple emil")
    press(here, "Change the password")
    expect(state(here)).to_have_text("Your password is changed. Every other login has ended.")
    expect(form.get_by_label("New password", exact=True)).to_have_value("")
    assert refresh_cookie(here.context)["value"] != old
    renew(here)
    press(there, "Try the staff page")
    expect(state(there)).to_contain_text(REVOKED)


@pytest.mark.exhaustive
def test_a_confirmed_password_gives_new_tokens(page: Page, site: Site) -> None:
    token_login(page, site, "walter")
    old = refresh_cookie(page.context)["value"]
    page.locator("#reauthenticate").get_by_label("Your password", exact=True).fill("correct horse walter")
    press(page, "Confirm the password")
    expect(state(page)).to_have_text("Your password is confirmed.")
    assert refresh_cookie(page.context)["value"] != old
    renew(page)


# ── Out ──


def test_logging_out_in_one_tab_is_logging_out_in_all(page: Page, site: Site) -> None:
    token_login(page, site, "fay")
    other = page.context.new_page()
    other.goto(f"{site.url}/jwt/")
    expect(title(other)).to_have_text("Fay")
    alive = refresh_cookie(page.context)["value"]
    press(page, "Log out here")
    expect(state(page)).to_have_text("You are logged out.")
    expect(state(other)).to_have_text("You logged out elsewhere in this browser.")
    assert "fay@example.com" not in other.content()
    assert refresh_cookies(page.context) == []
    assert refresh_elsewhere(site, alive, user_agent(page)) == (401, {"error": "Invalid refresh token"})
    other.reload()
    expect(state(other)).to_have_text(OUT)


@pytest.mark.parametrize("told", sampled([True, False], {True}), ids=["told", "by-the-token"])
def test_a_tab_does_not_become_another_person(visit: Callable[..., Page], site: Site, told: bool) -> None:
    page = visit(fresh=not told)
    if not told:
        page.add_init_script("delete window.BroadcastChannel")
    second = page.context.new_page()
    second.goto(f"{site.url}/jwt/")
    expect(state(second)).to_have_text(OUT)
    token_login(page, site, "walter")
    fill(second, "sybil")
    expect(title(second)).to_have_text("Sybil")
    if not told:
        press(page, "Get a new one")
    expect(state(page)).to_have_text(STRANGER)
    assert "walter@example.com" not in page.content()
    assert "sybil@example.com" not in page.content()
    renew(second)
    page.reload()
    expect(title(page)).to_have_text("Sybil")


@pytest.mark.exhaustive
def test_logging_out_everywhere_ends_both_flows(visit: Callable[..., Page], site: Site) -> None:
    page, there = visit(), visit()
    token_login(page, site, "gus")
    session_login(there, site, "gus")
    expect(title(there)).to_have_text("Gus")
    press(page, "Log out everywhere")
    expect(state(page)).to_have_text("You are logged out.")
    there.reload()
    expect(title(there)).to_have_text("Log in")


def test_back_after_logging_out_shows_nothing(keeps_pages: Page, site: Site) -> None:
    page = keeps_pages
    token_login(page, site, "hope")
    page.evaluate("window.same = true")
    page.get_by_role("link", name="Home").click()
    expect(title(page)).to_have_text("One person, two ways to stay logged in")
    page.context.clear_cookies()
    page.evaluate("history.back()")
    expect(state(page)).to_contain_text(ENDED)
    assert page.evaluate("window.same"), "the page was not kept, so this shows nothing"
    assert "hope@example.com" not in page.content()
    assert "Hope" not in page.content()

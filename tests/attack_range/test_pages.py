"""The range's own pages: they show what the server has found, with JavaScript and without."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright

from tests.attack_range.visiting import text_of, visitor
from tests.browser.conftest import CHROMIUM, SWITCHES, environment
from tests.browser.soundness import FIRST_VIEW, OTHER_VIEWS, View, assert_sound
from tests.running import Range

# The attack with the fewest cases.
SLUG = "replay"
PATHS = ["/", f"/attacks/{SLUG}/", "/rooms/", "/rooms/edit-the-token/"]
ATTACKS = ["xss", "csrf", "alg", "secret", "fixation", "enumeration", "replay"]
ROOMS = ["copied-cookie", "stolen-refresh", "after-ban", "payload", "weak-secret"]
MORE_PATHS = [f"/attacks/{slug}/" for slug in ATTACKS if slug != SLUG] + [f"/rooms/{slug}/" for slug in ROOMS]
exhaustive = pytest.mark.exhaustive


@pytest.fixture(scope="module")
def browser(chromium: None) -> Iterator[Browser]:
    """The visitor's browser; the range has its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES, env=environment())
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, attack_range: Range) -> Iterator[Page]:
    """A page of a fresh profile. Its console must have no message, and its policy no violation."""
    context = browser.new_context(base_url=f"http://range.localhost:{attack_range.port}")
    page, complaints = context.new_page(), []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


@pytest.mark.site
@pytest.mark.parametrize("path", [*PATHS, *MORE_PATHS])
def test_every_page_says_what_it_is_and_keeps_a_strict_policy(attack_range: Range, path: str) -> None:
    with visitor(attack_range) as client:
        answer = client.get(path)
    assert answer.status_code == 200
    assert "Attack range: weak on purpose" in text_of(answer)
    # In addition to the policy that keeps the whole range on this machine.
    [policy] = [line for line in answer.headers.get_list("Content-Security-Policy") if "script-src 'self'" in line]
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.site
@pytest.mark.parametrize(
    ("path", "trail"),
    [
        ("/", "Lab Attack range Attacks"),
        ("/attacks/replay/", "Lab Attack range Attacks {title} (7 of 7)"),
        ("/rooms/", "Lab Attack range Rooms"),
        ("/rooms/payload/", "Lab Attack range Rooms {title} (5 of 6)"),
    ],
)
def test_every_page_says_where_it_stands(attack_range: Range, path: str, trail: str) -> None:
    with visitor(attack_range) as client:
        text = client.get(path).text
    nav = text.partition('<nav class="breadcrumb" aria-label="Breadcrumb">')[2].partition("</nav>")[0]
    title = text.partition("<h1>")[2].partition("</h1>")[0]
    assert " ".join(re.sub("<[^>]+>", " ", nav).split()) == trail.format(title=title)
    assert nav.count('aria-current="page"') == 1


@pytest.mark.site
@pytest.mark.parametrize("path", ["/attacks/none/", "/rooms/none/", "/attacks/api/"])
def test_what_there_is_not_is_not_found(attack_range: Range, path: str) -> None:
    with visitor(attack_range) as client:
        assert client.get(path).status_code == 404


@pytest.mark.site
def test_every_attack_has_a_page_on_the_index(attack_range: Range) -> None:
    with visitor(attack_range) as client:
        index = client.get("/").text
    places = [index.index(f'href="/attacks/{slug}/"') for slug in ATTACKS]
    assert places == sorted(places)


@pytest.mark.site
def test_the_answer_is_shown_after_a_guess_and_not_before(attack_range: Range) -> None:
    answer = "note range-answer"
    with visitor(attack_range) as client:
        assert answer not in client.get(f"/attacks/{SLUG}/").text
        empty = client.post(f"/attacks/{SLUG}/guess")
        assert empty.status_code == 400
        assert "Choose one of the answers first." in text_of(empty)
        assert answer not in empty.text
        assert answer in client.post(f"/attacks/{SLUG}/guess", data={"guess": "0"}).text
        assert answer in client.get(f"/attacks/{SLUG}/").text


@pytest.mark.browser
def test_without_javascript_one_form_runs_all_and_another_forgets(chromium: None, attack_range: Range) -> None:
    cases = [case for case in attack_range.get("/api/cases")["cases"] if case["id"].startswith(f"{SLUG}/")]
    good = f"{len(cases)} of {len(cases)} as expected, run just now"
    with visitor(attack_range) as client, visitor(attack_range) as other:
        assert good not in text_of(client.get("/"))
        ran = client.post(f"/attacks/{SLUG}/run")
        assert ran.text.count('class="mark yes">as expected') == len(cases)
        assert good in text_of(client.get("/"))
        assert good not in text_of(other.get("/"))
        assert "as expected, run" not in text_of(client.post(f"/attacks/{SLUG}/reset"))
        assert good not in text_of(client.get("/"))


@pytest.mark.browser
def test_the_button_runs_case_by_case_and_shows_what_the_server_said(page: Page) -> None:
    page.goto(f"/attacks/{SLUG}/")
    count = page.locator(".range-table [data-case]").count()
    page.get_by_role("button", name="Run it now").click()
    expect(page.get_by_role("status")).to_have_text(f"Done: {count} of {count} as expected.", timeout=120_000)
    expect(page.locator(".range-table [data-case] .mark.yes")).to_have_count(count)
    expect(page.get_by_role("button", name="Run it now")).to_be_focused()
    page.goto("/")
    expect(page.get_by_text(f"{count} of {count} as expected, run just now")).to_be_visible()


@pytest.mark.browser
def test_a_run_can_be_stopped(page: Page) -> None:
    held: list[Route] = []
    page.route("**/api/run", lambda route: held.append(route))
    page.goto(f"/attacks/{SLUG}/")
    with page.expect_request("**/api/run"):
        page.get_by_role("button", name="Run it now").click()
    page.get_by_role("button", name="Stop").click()
    held[0].continue_()
    expect(page.get_by_role("status")).to_contain_text("Stopped after 1 of", timeout=60_000)


@pytest.mark.browser
def test_a_result_is_red_when_the_server_says_so(page: Page) -> None:
    def lie(route: Route) -> None:
        (name,) = route.request.post_data_json["cases"]
        said = {"id": name, "succeeded": False, "as_expected": False, "seen": "Nothing arrived."}
        route.fulfill(json={"at": "", "cases": [said]})

    page.route("**/api/run", lie)
    page.goto(f"/attacks/{SLUG}/")
    count = page.locator(".range-table [data-case]").count()
    page.get_by_role("button", name="Run it now").click()
    expect(page.get_by_role("status")).to_have_text(f"Done: 0 of {count} as expected.")
    expect(page.locator(".range-table [data-case] .mark.no")).to_have_count(count)


@pytest.mark.browser
@pytest.mark.parametrize("views", [[FIRST_VIEW], pytest.param(OTHER_VIEWS, marks=exhaustive)], ids=["", "other-views"])
@pytest.mark.parametrize("path", [*PATHS, *(pytest.param(path, marks=exhaustive) for path in MORE_PATHS)])
def test_a_page_is_sound(page: Page, path: str, views: list[View]) -> None:
    page.goto(path)
    for details in page.locator("details").all():
        details.locator("summary").click()
    assert_sound(page, views)

"""The clients' page. The requests that it counts are those that the programs send."""

from typing import Any

import pytest

from lab.claims.sandbox import FLOWS, open_sandbox
from lab.experiments import clients
from lab.pages import clients as page
from tests.conftest import Browser
from tests.lab.test_clients_run import ASKED


@pytest.mark.parametrize("flow", FLOWS)
def test_the_requests_that_are_counted_are_those_of_the_programs(db: None, flow: str) -> None:
    with open_sandbox() as sandbox:
        answers = clients.send_requests(sandbox, flow)
    asked = [f"{answer.exchange.method} {answer.exchange.path.removeprefix('/')}" for answer in answers]
    assert asked == ASKED[flow]
    assert {answer.status for answer in answers} == {200}


def test_the_page_counts_without_a_script(db: None, browser: Browser) -> None:
    assert "Bytes sent" not in browser.get("/lab/clients/").content.decode()
    content: Any = browser.submit("/lab/clients/").content.decode()
    assert content.count("Bytes sent") == 2
    rows = [page.describe_client(program) for program in clients.programs()]
    assert {row["csrf"] > 0 for row in rows if row["program"].flow == "session"} == {True}
    assert {row["csrf"] for row in rows if row["program"].flow == "jwt"} == {0}

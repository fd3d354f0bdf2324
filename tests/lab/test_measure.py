"""The comparison: its counts are right in each format, and its size is limited."""

import csv
import io
import json
import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from lab.experiments import measure
from lab.pages import measure as page_module
from tests.conftest import Browser

PAGE = "/lab/measure/"
# SQL and Redis per request; Redis keys and rows per login; whether the next request after a ban is refused.
COUNTS = {
    "session": (0, 1, 1, 1, True),
    "expiry": (0, 0, 0, 2, False),
    "denylist": (0, 1, 0, 2, True),
    "version": (1, 0, 0, 2, True),
    "short": (0, 0, 0, 0, False),
}


@pytest.mark.django_db(transaction=True)
def test_look_ups_bytes_and_what_a_login_leaves_are_counted() -> None:
    progress: list[int] = []
    report = measure.measure(list(measure.MODES), 2, logins=1, progress=progress.append)
    assert {m.key: (m.sql, m.redis, m.keys, m.rows, m.banned == "dead at once") for m in report.modes} == COUNTS
    assert [(m.n, m.bytes > 0) for m in report.modes] == [(2, m.key == "session") for m in report.modes]
    session, token = report.modes[:2]
    assert session.credential == len("Cookie: __Host-sessionid=") + 32
    assert token.credential > 5 * session.credential
    assert (session.ratio, progress[-1]) == (1, 2)
    assert not User.objects.exists()


def test_the_command_prints_json_and_a_table_for_the_readme(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("measure", "--requests", "1", "--modes", "session,short", "--json")
    report = json.loads(capsys.readouterr().out)
    assert [mode["key"] for mode in report["modes"]] == ["session", "short"]
    assert set(report["machine"]) == {"processors", "platform", "python", "django", "database", "store"}
    call_command("measure", "--requests", "1", "--modes", "short", "--markdown")
    lines = capsys.readouterr().out.splitlines()
    assert {line.count("|") for line in lines[:3]} == {len(measure.COLUMNS) + 1}
    for wrong in (["--requests", "5001"], ["--requests", "0"], ["--modes", "magic"]):
        with pytest.raises(CommandError):
            call_command("measure", *wrong)


def test_the_page_measures_on_demand_and_hands_out_files(
    db: None, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "LOGINS", 1)
    chosen: dict[str, Any] = {"modes": ["session", "short"], "requests": "10"}
    page = browser.submit(PAGE, chosen).content.decode()
    rows = re.findall(r'<tr role="row"><th role="rowheader" scope="row">(.*?)</th>(.*?)</tr>', page)
    assert [name for name, _ in rows] == list(measure.COLUMNS.values())[1:]
    for _, cells in rows:
        assert re.findall('<td role="cell" data-column="(.*?)">.', cells) == ["Session", "Token, access token only"]
    response = browser.submit(PAGE, chosen | {"format": "csv"})
    rows = [*csv.DictReader(io.StringIO(response.content.decode()))]
    assert [(row["key"], row["n"]) for row in rows] == [("session", "10"), ("short", "10")]
    response = browser.submit(PAGE, chosen | {"format": "json"})
    assert [mode["n"] for mode in response.json()["modes"]] == [10, 10]
    assert response["Content-Disposition"] == 'attachment; filename="measured.json"'


@pytest.mark.parametrize(
    "fields",
    [
        {"requests": "10"},
        {"modes": ["magic"], "requests": "10"},
        *(
            {"modes": ["short"], "requests": number}
            for number in ("", "9", "201", "1e2", "-50", "٥٠", "9" * 5000, "000000100" + "9" * 5000)
        ),
    ],
)
def test_what_is_not_a_bounded_number_of_a_known_mode_is_refused(
    db: None, browser: Browser, fields: dict[str, Any]
) -> None:
    response = browser.submit(PAGE, fields)
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()

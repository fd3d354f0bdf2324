"""Dates have one style on this site, which says the zone."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.template import engines

from security.dates import moment

AT = datetime(2026, 3, 9, 5, 49, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{{ at }}", "9 Mar 2026, 05:49 UTC"),
        ('{{ at|date:"DATETIME_FORMAT" }}', "9 Mar 2026, 05:49 UTC"),
        ('{{ at|date:"SHORT_DATETIME_FORMAT" }}', "9 Mar 2026, 05:49 UTC"),
        ('{{ at|date:"DATETIME_WITH_SECONDS" }}', "9 Mar 2026, 05:49:07 UTC"),
        ("{{ at|date }}", "9 Mar 2026"),
        ("{{ at|time }}", "05:49 UTC"),
    ],
)
def test_templates_show_dates_in_one_style(template: str, shown: str) -> None:
    assert engines["django"].from_string(template).render({"at": AT}) == shown


def test_sentences_have_the_same_style() -> None:
    assert moment(AT) == "9 Mar 2026, 05:49 UTC"


def test_a_project_without_this_file_keeps_its_own_style_and_zone(settings: Any) -> None:
    settings.FORMAT_MODULE_PATH, settings.DATETIME_FORMAT, settings.TIME_ZONE = None, "Y-m-d H:i", "Asia/Tokyo"
    settings.LANGUAGE_CODE = "xx"  # Django has no formats of its own for it
    assert moment(AT) == "2026-03-09 14:49"

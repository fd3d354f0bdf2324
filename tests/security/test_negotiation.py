"""The JSON endpoints answer as DRF would, but skip DRF's content negotiation for most clients."""

import json
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation, _MediaType
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.renderers import JSONRenderer as DRFJSONRenderer
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from security.negotiation import ANYTHING, JSONNegotiation, JSONRenderer

RENDERERS = (JSONRenderer(), BrowsableAPIRenderer())
PLAIN = [None, *ANYTHING]
OTHERS = [
    "application/json, text/plain, */*",
    "text/html,application/xhtml+xml,*/*;q=0.8",
    "application/json; indent=4",
    "text/html",
    "APPLICATION/JSON",
    "",
]


def asked(accept: str | None, query: str = "") -> Request:
    headers = {} if accept is None else {"HTTP_ACCEPT": accept}
    return Request(APIRequestFactory().get(f"/{query}", **headers))


@pytest.mark.parametrize("query", ["", "?format=json", "?format=api", "?page=2"])
@pytest.mark.parametrize("accept", PLAIN + OTHERS)
def test_the_choice_is_that_of_drf(accept: str | None, query: str) -> None:
    def choice(negotiation: DefaultContentNegotiation) -> Any:
        return negotiation.select_renderer(asked(accept, query), RENDERERS)

    try:
        expected = choice(DefaultContentNegotiation())
    except NotAcceptable:
        with pytest.raises(NotAcceptable):
            choice(JSONNegotiation())
    else:
        assert choice(JSONNegotiation()) == expected


@pytest.mark.parametrize(("accept", "parsed"), [*((it, False) for it in PLAIN), ("text/html", True)])
def test_no_media_type_is_parsed_for_a_client_that_takes_json(accept: str | None, parsed: bool) -> None:
    with patch("rest_framework.negotiation._MediaType", wraps=_MediaType) as media_type:
        JSONNegotiation().select_renderer(asked(accept), RENDERERS)
    assert media_type.called is parsed


def test_a_view_whose_first_renderer_is_another_is_left_to_drf() -> None:
    html, json_renderer = BrowsableAPIRenderer(), JSONRenderer()
    assert JSONNegotiation().select_renderer(asked("*/*"), (html, json_renderer))[0] is html


@pytest.mark.parametrize("media_type", ["application/json", "application/json; indent=2"])
@pytest.mark.parametrize(
    "data",
    [
        None,
        {"name": "Ä\u2028\u2029</script>", "n": 1.5},
        [UUID(int=7), datetime(2026, 1, 2, tzinfo=UTC), {"a": None}],
        "text",
    ],
)
def test_the_bytes_are_those_of_drf(media_type: str, data: Any) -> None:
    assert JSONRenderer().render(data, media_type, {}) == DRFJSONRenderer().render(data, media_type, {})


def test_a_number_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        JSONRenderer().render(float("nan"), "application/json", {})


def test_the_browsable_api_still_shows_indented_json() -> None:
    text = JSONRenderer().render({"a": 1}, "application/json", {"indent": 4})
    assert text == b'{\n    "a": 1\n}'
    assert json.loads(text) == {"a": 1}

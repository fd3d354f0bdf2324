"""A strict parser of JSON for DRF's views."""

import json
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer


class JSONParser(BaseParser):
    """Parses JSON in UTF-8 (RFC 8259 section 8.1). DRF's own parser answers a body nested too deep with a 500."""

    media_type = "application/json"
    # Without it a form of the browsable API is empty and shows no fields.
    renderer_class = JSONRenderer

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The value. Raises `ParseError`."""
        try:
            return json.loads(stream.read().decode(), parse_constant=_refuse, object_pairs_hook=_object)
        except (ValueError, RecursionError):
            raise ParseError("The body is not valid JSON.") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # If a name occurs twice, one program may read the first value and another the second, which was not checked.
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name twice")
    return found

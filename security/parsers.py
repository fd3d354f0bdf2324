"""A strict parser of JSON for DRF's views."""

import json
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer


class JSONParser(BaseParser):
    """JSON in UTF-8 (RFC 8259 section 8.1). DRF's answers a body nested too deep with a 500."""

    media_type = "application/json"
    # Without it a form of the browsable API is empty, and does not say which fields there are.
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
    # Of two fields of one name, one reader may take the first and another the second, and use what was not checked.
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name twice")
    return found

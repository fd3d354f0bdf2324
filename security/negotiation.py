"""What the JSON endpoints answer with: JSON, or DRF's browsable API for a person with a browser.

Needs DRF. Gives the content negotiation and the renderer of `JsonView`, each with a fast path for what almost every
client asks.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.renderers import JSONRenderer as DRFJSONRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings

MEDIA_TYPE = "application/json"
# The `Accept` that scripts and programs send. DRF would parse it, and the types of both renderers, at each request.
ANYTHING = ("*/*", MEDIA_TYPE)


class JSONNegotiation(DefaultContentNegotiation):
    """DRF's negotiation, which compares the renderers only if a client may want another one than the first."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The renderer and the media type. Raises DRF's `NotAcceptable`."""
        meta, first = request.META, next(iter(renderers))
        # A query string may hold `?format=`, which takes precedence over `Accept`.
        asks_for_any = not (format_suffix or meta.get("QUERY_STRING")) and meta.get("HTTP_ACCEPT", "*/*") in ANYTHING
        if asks_for_any and first.media_type == MEDIA_TYPE:
            return first, MEDIA_TYPE
        found: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        return found


class JSONRenderer(DRFJSONRenderer):
    """DRF's renderer, with one encoder for all answers that need no indent."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """The JSON, in UTF-8. U+2028 and U+2029 are escaped, as in DRF: old JavaScript takes them for line ends."""
        # A subclass in a project may encode in another way.
        plain = type(self) is JSONRenderer and self.compact and "indent" not in (renderer_context or {})
        if data is None or not plain or accepted_media_type != MEDIA_TYPE:
            return bytes(super().render(data, accepted_media_type, renderer_context))
        text = ENCODER.encode(data)
        return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


# With DRF's own settings, which DRF reads only once too.
ENCODER = JSONRenderer.encoder_class(
    ensure_ascii=not api_settings.UNICODE_JSON, allow_nan=not api_settings.STRICT_JSON, separators=(",", ":")
)

"""Describes the session cookie in OpenAPI, for projects that use drf-spectacular."""

from typing import Any

from django.conf import settings
from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiAuthenticationExtension

from sessions_demo.authentication import SessionAuthentication

# A subclass uses the same cookie. Without this, drf-spectacular would warn of two credentials with one name.
set_override(SessionAuthentication, "suppress_collision_warning", True)


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session cookie as an OpenAPI security scheme."""

    target_class = "sessions_demo.authentication.SessionAuthentication"
    name = "session"
    match_subclasses = True

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}

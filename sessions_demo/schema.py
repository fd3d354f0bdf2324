"""How OpenAPI names the credential of this flow, for projects that describe their API by drf-spectacular."""

from typing import Any

from django.conf import settings
from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiAuthenticationExtension

from sessions_demo.authentication import SessionAuthentication

# A subclass is the same credential, and drf-spectacular would warn of two.
set_override(SessionAuthentication, "suppress_collision_warning", True)


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session cookie, as OpenAPI says it."""

    target_class = "sessions_demo.authentication.SessionAuthentication"
    name = "session"
    match_subclasses = True

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}

"""How OpenAPI names the credential of this flow, for projects that describe their API by drf-spectacular."""

from typing import Any

from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object

from jwt_demo.authentication import JWTAuthentication
from jwt_demo.conf import header_types, simple_jwt

# A subclass, for instance with a check of its own, is the same credential, and drf-spectacular would warn of two.
set_override(JWTAuthentication, "suppress_collision_warning", True)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The access token, as OpenAPI says it."""

    target_class = "jwt_demo.authentication.JWTAuthentication"
    name = "bearer"
    match_subclasses = True

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return build_bearer_security_scheme_object(simple_jwt.AUTH_HEADER_NAME, header_types()[0], "JWT")

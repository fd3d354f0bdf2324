"""How OpenAPI describes the access token, for projects that use drf-spectacular."""

from typing import Any

from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object

from jwt_demo.authentication import JWTAuthentication
from jwt_demo.conf import header_types, simple_jwt

# A subclass, for example with another check, is the same credential. Otherwise drf-spectacular would warn of two.
set_override(JWTAuthentication, "suppress_collision_warning", True)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The access token as a security scheme of OpenAPI."""

    target_class = "jwt_demo.authentication.JWTAuthentication"
    name = "bearer"
    match_subclasses = True

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return build_bearer_security_scheme_object(simple_jwt.AUTH_HEADER_NAME, header_types()[0], "JWT")

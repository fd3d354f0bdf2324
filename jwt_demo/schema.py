"""How OpenAPI names the credential of this flow, for projects that describe their API by drf-spectacular."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object

from jwt_demo.conf import header_types, simple_jwt


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The access token, as OpenAPI says it."""

    target_class = "jwt_demo.authentication.JWTAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return build_bearer_security_scheme_object(simple_jwt.AUTH_HEADER_NAME, header_types()[0], "JWT")

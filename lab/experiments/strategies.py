"""Whoami with an access token under each of the three checks, each at its own address, to compare the checks.

The site itself uses the check that `JWT_REVOCATION` names. Here the address names it.
"""

from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from jwt_demo import views
from jwt_demo.authentication import JWTAuthentication
from jwt_demo.revocation import CHECKS


class CheckedAuthentication(JWTAuthentication):
    """The site's own authentication, with the check that is passed in."""

    def __init__(self, check: str) -> None:
        self.check = check


class Whoami(views.Whoami):
    """Who the token says the user is, after the check that the address names. 404 for an unknown check."""

    # For measuring, and not part of the API: it is left out of the schema, and always answers with JSON.
    schema = None
    renderer_classes = [JSONRenderer]

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [CheckedAuthentication(self.kwargs["check"])]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if kwargs["check"] not in CHECKS:
            raise exceptions.NotFound
        super().initial(request, *args, **kwargs)

    def get(self, request: Request, check: str = "") -> Response:
        return super().get(request)

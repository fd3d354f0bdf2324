"""One access token under each of the three checks, at an address for each, so that they can be compared side by side.

The site itself runs one of them, the one that `JWT_REVOCATION` names. Here a request says which.
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
    """The site's, under the check it is made with."""

    def __init__(self, check: str) -> None:
        self.check = check


class Whoami(views.Whoami):
    """Who the token says you are, as long as the check in the address lets it in. 404 for a check there is not."""

    # A measuring device and no part of the API: left out of its description, and JSON for every client.
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

"""What the JSON endpoints of both flows share: one base view, and errors in one form.

Needs DRF. Gives `JsonView`, which sets its own parser, renderer and exception handler, and so does not depend on
`REST_FRAMEWORK`: a project keeps its own defaults.
"""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.decorators import method_decorator
from rest_framework import exceptions, serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from security.bodies import body_length
from security.exceptions import exception_handler
from security.negotiation import JSONNegotiation, JSONRenderer
from security.parsers import JSONParser
from security.refusals import Refused
from security.users import login_field

# "cookies" would also delete the other flow's cookie in the browser, while its credential stays valid on the server.
CLEAR = {"Clear-Site-Data": '"cache"'}


# For views that write before they refuse. With ATOMIC_REQUESTS a 401 would roll back the record of a failed login, and
# the end of a family whose token was replayed. Not for all of `JsonView`: a project that extends it expects a rollback.
non_atomic = method_decorator(transaction.non_atomic_requests, name="dispatch")


class JsonView(APIView):
    """A view that reads and writes JSON about a user's access.

    `unauthenticated` is the text of its 401.
    """

    unauthenticated = "Not authenticated"
    parser_classes = [JSONParser]
    renderer_classes = [JSONRenderer, BrowsableAPIRenderer]
    # `security.throttle` counts failed logins. DRF's throttles of the project do not apply here.
    throttle_classes = []
    versioning_class = None
    # For the browsable API: what the field of a login is called.
    login_field = staticmethod(login_field)
    content_negotiation_class: type[BaseContentNegotiation] = JSONNegotiation

    def get_exception_handler(self) -> Any:
        return exception_handler

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Checks the length and type of the body, then the user, then whether the body is good JSON."""
        length = body_length(request._request)
        if length:
            _refuse_kind(request, length)
        super().initial(request, *args, **kwargs)
        if length:
            request.data  # noqa: B018  (a body that the view does not read must be good JSON too)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """No cache may store the answer (RFC 6750 section 5.3, ASVS 14.3.2)."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    def read(self, serializer: type[serializers.Serializer]) -> dict[str, Any]:
        """The body, as `serializer` allows it. Raises `ValidationError`, a 400 that names the fields."""
        body = serializer(data=self.request.data)
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)


def _refuse_kind(request: Request, length: int) -> None:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if most is not None and length > most:  # DRF reads a body of any size
        raise Refused(413, "body size", f"The body has {length} bytes; this address accepts {most}.")
    if request._request.content_type != "application/json":
        # Forms of other sites can send the other types, and the CSRF check would read such a body first.
        raise exceptions.UnsupportedMediaType(request.content_type)

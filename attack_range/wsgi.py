"""The WSGI application, with one handler for each host. The project's own code has all of its middleware, and weak
pages have none.
"""

from typing import Any

from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.exceptions import SuspiciousFileOperation
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.test.utils import override_settings

from attack_range import attempts, hosts
from attack_range.containment import Contained

OURS = ("/session/", "/jwt/", "/ours/")
# Pages of these origins may send requests to weak code. The attacker's origin is one of them.
OWN_ORIGINS = [hosts.origin(host, other) for host in hosts.ALL for other in (False, True)]
PAGES_MIDDLEWARE = [
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "attack_range.gate.PagesGate",
]


class Handler(WSGIHandler):
    """Django's handler, with its own URLs and middleware."""

    def __init__(self, urlconf: str, middleware: list[str]) -> None:
        self.urlconf = urlconf
        with override_settings(MIDDLEWARE=middleware):
            super().__init__()

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        request.urlconf = self.urlconf
        response = super().get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not response.content:
            response.content = f"This address takes {response.headers['Allow']} only.\n".encode()
        if response.status_code >= 400 and isinstance(response, HttpResponse):
            attempts.note_answer(request.META, response.status_code, response.content.decode(errors="replace"))
        return response


class Static(StaticFilesHandler):
    """Django's handler of static files, with 404 for an address outside its folders.

    Browsers must not cache the files, because a script is a different one while a defence is switched off.
    """

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        try:
            response = super().serve(request)
        except (SuspiciousFileOperation, ValueError):
            raise Http404 from None
        response["Cache-Control"] = "no-store"
        return response


class Application:
    """Chooses the handler of a request, and records the request for the attempt that it names."""

    def __init__(self) -> None:
        self.ours = Static(Handler("attack_range.urls.ours", settings.MIDDLEWARE))
        self.weak = {
            host: Static(Handler(f"attack_range.urls.{name}", PAGES_MIDDLEWARE if name == "pages" else []))
            for host, name in (
                (hosts.RANGE, "pages"),
                (hosts.VICTIM, "victim"),
                (hosts.SIBLING, "sibling"),
                (hosts.ATTACKER, "attacker"),
            )
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        host, _, port = environ["HTTP_HOST"].rpartition(":")
        if host == hosts.VICTIM and port == str(hosts.port()) and environ["PATH_INFO"].startswith(OURS):
            handler = self.ours
        elif environ.get("HTTP_ORIGIN", OWN_ORIGINS[0]) not in OWN_ORIGINS:
            # A page on the web could otherwise store a script in a weak page, and lead a person at this machine there.
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"This request came from another site, so it was refused.\n"]
        else:
            handler = self.weak[host]
        return handler(environ, attempts.watching(environ, start_response))


application = Contained(Application())

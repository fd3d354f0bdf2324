"""Response headers that depend on more than a setting.

Both stand outside every other middleware, so that an error raised by one of those carries them too.
"""

from collections.abc import Callable

from csp.middleware import CSPMiddleware, PolicyParts
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware

from config.errors import answer
from security import refusals
from security.conf import conf as security_conf

# Their scripts (jQuery) write HTML from strings, which Trusted Types refuse.
WITHOUT_TRUSTED_TYPES = (
    "/admin/",
    "/docs/",
    "/session/api/",
    "/session/auth/",
    "/jwt/api/",
    "/jwt/auth/",
    "/notes/api/",
)

PROBES = ("/healthz", "/readyz")
# What a decorator of django-csp leaves at an answer: a policy of its own.
DECORATED = {f"_csp_{part}{kind}" for part in ("exempt", "config", "update", "replace") for kind in ("", "_ro")}
# Headers by their names in small letters, as Django keeps them.
Headers = dict[str, tuple[str, str]]


class PolicyMiddleware(CSPMiddleware):
    """One strict Content-Security-Policy; the pages of others lose Trusted Types and nothing else.

    Each policy is built once. An answer with a decorator or a nonce of django-csp gets its own.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        self.built: dict[str, Headers] = {}

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if "_csp_nonce" in vars(request) or not vars(response).keys().isdisjoint(DECORATED):
            return super().process_response(request, response)
        path = request.path_info
        prefix = next(filter(path.startswith, WITHOUT_TRUSTED_TYPES), "")
        if prefix not in self.built:
            self.built[prefix] = _added(super().process_response(request, HttpResponse()))
        _add(response, self.built[prefix])
        return response

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and request.path_info.startswith(WITHOUT_TRUSTED_TYPES):
            if request.path_info.startswith("/docs/"):
                parts.update = {"img-src": "data:"}  # Swagger's icons
            parts.replace = {"require-trusted-types-for": None, "trusted-types": None}
        return parts


class SecurityHeadersMiddleware(SecurityMiddleware):
    """Django's, with its headers also on the answer to a Host that is not ours, and no redirect that never ends.

    The stock redirect to https raises inside this middleware, past the code that adds headers;
    CommonMiddleware refuses the same request a moment later, inside it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        # Over https there is one more.
        self.built: dict[bool, Headers] = {}

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override]
        try:
            redirect = super().process_request(request)
        except DisallowedHost:
            return None
        if not redirect or not (sentence := _wrong_proxy(request)):
            return redirect
        refusals.log(request, "https", sentence, deployment=True)
        # Not a 5xx, for a client can send the headers of a proxy too.
        return answer(request, 400, sentence)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        secure = request.is_secure()
        if secure not in self.built:
            self.built[secure] = _added(super().process_response(request, HttpResponse()))
        _add(response, self.built[secure])
        return response


def _wrong_proxy(request: HttpRequest) -> str:
    """Why a redirect to https would lead here again; "" where the visitor did come by http."""
    says = refusals.printable_header(request, "X-Forwarded-Proto").partition(",")[0].strip()
    if security_conf.TRUSTED_PROXIES:
        if says == "http":
            return ""
        seen = f"X-Forwarded-Proto: {says}, which is neither http nor https" if says else "no X-Forwarded-Proto"
        return f"This site is served over https only, and the proxy in front of it sent {seen}. {refusals.PROXY}"
    found = [name for name in ("X-Forwarded-For", "X-Forwarded-Proto") if name in request.headers]
    if not found:
        return ""
    return (
        f"This site is served over https only. The request came through a proxy (it has the header {found[0]}), "
        "but TRUSTED_PROXIES is 0, so X-Forwarded-Proto is not believed. Set TRUSTED_PROXIES to the number of proxies."
    )


def _added(blank: HttpResponseBase) -> Headers:
    return {name.lower(): (name, value) for name, value in blank.items() if name != "Content-Type"}


def _add(response: HttpResponseBase, headers: Headers) -> None:
    """Adds those that the view has not set itself."""
    # Django has no public way to set headers without checking and converting each anew, which takes ten times as long.
    # A Django without `_store` would answer each request with 500.
    kept = response.headers._store
    for key, header in headers.items():
        kept.setdefault(key, header)


class HostMiddleware(CommonMiddleware):
    """Django's, which refuses a Host that is not ours, but for what a supervisor asks of one machine by its address.

    Neither answer is built from the Host.
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        if request.path_info in PROBES:
            return None
        return super().process_request(request)

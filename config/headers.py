"""Response headers that depend on more than a setting.

`PolicyMiddleware` and `SecurityHeadersMiddleware` come before the other middleware, so that error answers of the others
have these headers too.
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

# The scripts of these pages (jQuery, Swagger) write HTML from strings, which Trusted Types forbid.
WITHOUT_TRUSTED_TYPES = ("/admin/", "/docs/")

PROBES = ("/healthz", "/readyz")
# Attributes that a decorator of django-csp sets on an answer with a policy of its own.
DECORATED = {f"_csp_{part}{kind}" for part in ("exempt", "config", "update", "replace") for kind in ("", "_ro")}
# Each header's name and value, by its name in lower case, as Django keeps them.
Headers = dict[str, tuple[str, str]]


class PolicyMiddleware(CSPMiddleware):
    """One strict Content-Security-Policy. Only the pages of libraries, such as the admin, do without Trusted Types.

    Each policy is built once. An answer with a decorator or a nonce of django-csp gets a policy of its own.
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
                parts.update = {"img-src": "data:"}  # for Swagger's icons
            parts.replace = {"require-trusted-types-for": None, "trusted-types": None}
        return parts


class SecurityHeadersMiddleware(SecurityMiddleware):
    """Django's middleware, but a wrong Host is answered with the headers too, and no redirect repeats without end.

    For a wrong Host, Django's redirect to https raises here, before the headers are added. This one lets the request
    pass, and `HostMiddleware`, which comes later, refuses it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)
        # By whether the request came over https: then there is one header more.
        self.built: dict[bool, Headers] = {}

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override]
        try:
            redirect = super().process_request(request)
        except DisallowedHost:
            return None
        if not redirect or not (sentence := _wrong_proxy(request)):
            return redirect
        refusals.log(request, "https", sentence, deployment=True)
        # Not a 5xx, because a client can send the headers of a proxy itself.
        return answer(request, 400, sentence)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        secure = request.is_secure()
        if secure not in self.built:
            self.built[secure] = _added(super().process_response(request, HttpResponse()))
        _add(response, self.built[secure])
        return response


def _wrong_proxy(request: HttpRequest) -> str:
    """Why a redirect to https would lead to the same redirect again; "" if the client did come by http."""
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
    """Adds the headers that the answer does not have yet."""
    # Django's public way to set a header checks and converts it each time, which takes ten times as long. If a later
    # Django has no `_store`, each request is a 500.
    kept = response.headers._store
    for key, header in headers.items():
        kept.setdefault(key, header)


class HostMiddleware(CommonMiddleware):
    """Django's middleware, which refuses a wrong Host, but a supervisor may ask for health by a machine's address.

    The answers of `/healthz` and `/readyz` are not built from the Host.
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        if request.path_info in PROBES:
            return None
        return super().process_request(request)

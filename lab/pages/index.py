"""`/lab/`: the list of the lab's pages, with one sentence for each."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

import lab.claims.proofs  # noqa: F401  (registers them)
from lab.claims.catalogue import CLAIMS
from lab.claims.evidence import PROOFS
from lab.pages import render_page

# The name of each page, its title, and what a visitor can do there.
PAGES = (
    ("wire", "On the wire", "Record requests of this browser, and see every header, SQL statement and Redis command."),
    ("inspect", "Inspect", "See the session record in Redis next to the claims of a token, and change the role."),
    ("token", "Take a token apart", "Decode, verify and forge a token, and see exactly why the server refuses it."),
    ("measure", "Measure", "Compare what a request costs in each mode: time, look-ups, header bytes, memory."),
    ("compare", "Compare with others", "Compare this project with stock Django and Express, measured in one run."),
    ("revocation", "Revoke a login", "Ban a user and watch when each kind of login stops working."),
    ("refresh", "Refresh and theft", "Watch an owner and a thief use the same refresh token, in either order."),
    ("keys", "Keys that change", "Change the signing key while clients run, and see which tokens are refused."),
    ("remember", "Remember me", "Tick the box or not, close the browser, and see who is still logged in."),
    ("clients", "Clients", "Run the same login from curl, Python and JavaScript."),
    ("mistakes", "Mistakes", "Nine common mistakes next to the line that fixes each, checked on this server."),
    ("range", "Attack range", "See which attacks succeed on weak code and fail on this site, in a real Chromium."),
    ("scale", "Two workers", "Send requests to two workers in turn, and restart one."),
    ("gateway", "A gateway", "Call a service through its gateway, directly, and with forged headers."),
    ("decide", "Decide", "Answer seven questions and get a recommendation, with the usual objection."),
    ("interview", "Five questions", "Short answers to common questions, each with a proof to run."),
)


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The pages that exist, and how many claims have a proof."""
    context = {
        "pages": [(address, title, text) for name, title, text in PAGES if (address := _address(name))],
        "proofs": len(PROOFS),
        "claims": len(CLAIMS),
    }
    return render_page(request, "lab/index.html", context)


def _address(name: str) -> str:
    try:
        return reverse(f"lab:{name}")
    except NoReverseMatch:
        return ""

"""`/lab/`: what there is to try, a sentence each."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

import lab.claims.proofs  # noqa: F401  (registers them)
from lab.claims.catalogue import CLAIMS
from lab.claims.evidence import PROOFS
from lab.pages import render_page

# The name of the page, its title, and what a person can do there.
PAGES = (
    ("wire", "On the wire", "Record what this browser and the server say to each other, and open every arrow."),
    ("inspect", "Inspect", "See the session record in Redis beside the claims of a token, and change the role."),
    ("token", "Take a token apart", "Decode, verify and forge a token, and read exactly why one is refused."),
    ("measure", "Measure", "Compare what each way costs: time, look-ups, header bytes, memory."),
    ("compare", "Compare with others", "See this project beside stock Django and Express, measured in one run."),
    ("revocation", "Revoke a login", "Ban a user and watch when each kind of login stops working."),
    ("refresh", "Refresh and theft", "Play owner and thief with one refresh token, in either order."),
    ("keys", "Keys that change", "Change the key that signs under running clients, and see who refuses a token."),
    ("remember", "Remember me", "Tick the box or not, close the browser, and see who is still logged in."),
    ("clients", "Clients", "Run the same login from curl, Python and JavaScript."),
    ("mistakes", "Mistakes", "Nine usual mistakes beside the line that mends them, checked on this server."),
    ("range", "Attack range", "See which attacks succeed on weak code and fail on this site’s, in a real Chromium."),
    ("scale", "Two workers", "Send requests to two workers in turn, and restart one."),
    ("gateway", "A gateway", "Call a service through its gateway, around it, and with forged headers."),
    ("decide", "Decide", "Answer seven questions and get a recommendation, with who would disagree."),
    ("interview", "Five questions", "Short answers to what is often asked, each with a proof to run."),
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

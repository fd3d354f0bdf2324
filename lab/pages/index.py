"""`/lab/`: the list of the lab's pages, with one sentence for each."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

import lab.claims.proofs  # noqa: F401  (registers them)
from lab.claims.catalogue import CLAIMS
from lab.claims.evidence import PROOFS
from lab.pages import PAGES, render_page


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The pages that exist, and how many claims have a proof."""
    context = {
        "pages": [(reverse(f"lab:{name}"), title, text) for name, title, text in PAGES],
        "proofs": len(PROOFS),
        "claims": len(CLAIMS),
    }
    return render_page(request, "lab/index.html", context)

"""`/lab/mistakes/`: nine mistakes next to the code without them, and a check of this server for each."""

from dataclasses import asdict

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from lab.experiments.mistakes import BY_SLUG, MISTAKES, run_check
from lab.pages import render_page

TEMPLATE = "lab/mistakes.html"


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """All mistakes. A POST checks this server for one of them. 400 for an unknown one."""
    if request.method != "POST":
        return render_page(request, TEMPLATE, {"mistakes": MISTAKES})
    mistake = BY_SLUG.get(request.POST.get("mistake", ""))
    if mistake is None:
        problem = "There is no such mistake. Choose one of the nine on this page."
        return render_page(
            request, TEMPLATE, {"mistakes": MISTAKES, "problem": problem}, {"error": problem}, status=400
        )
    found = run_check(mistake)
    body = {"mistake": mistake.slug, "evidence": [asdict(evidence) for evidence in found]}
    return render_page(request, TEMPLATE, {"mistakes": MISTAKES, "chosen": mistake.slug, "found": found}, body)

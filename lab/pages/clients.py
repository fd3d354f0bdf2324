"""`/lab/clients/`: the same small client for each flow in three languages, to read, copy and count."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from lab.claims.proofs.clients import CREDENTIAL_LINES, CSRF_LINES
from lab.claims.sandbox import FLOWS, Answer, open_sandbox
from lab.experiments import clients
from lab.pages import render_page

TEMPLATE = "lab/clients.html"


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The programs. A POST also sends their requests and shows their cost."""
    runs = measure_runs() if request.method == "POST" else {}
    rows = [describe_client(program) for program in clients.programs()]
    pairs = [
        (language, [row for row in rows if row["program"].suffix == suffix])
        for suffix, language, _ in clients.LANGUAGES
    ]
    base = settings.SITE_URL
    context = {"rows": rows, "pairs": pairs, "runs": runs, "base": base}
    return render_page(request, TEMPLATE, context, {"runs": runs} if runs else None)


def describe_client(program: clients.Program) -> dict[str, Any]:
    """A program and its lines of code: all, those that keep the credential, and those that only CSRF needs."""
    keeping = program.count_lines(CREDENTIAL_LINES[program.flow], CSRF_LINES)
    return {"program": program, "lines": len(program.code), "keeping": keeping, "csrf": program.count_lines(CSRF_LINES)}


def measure_runs() -> dict[str, Any]:
    """Sends the requests of each flow for a throwaway user, and gives their cost by flow."""
    with open_sandbox() as sandbox:
        runs = {flow: clients.send_requests(sandbox, flow) for flow in FLOWS}
    return {flow: summarize_run(answers) for flow, answers in runs.items()}


def summarize_run(answers: list[Answer]) -> dict[str, Any]:
    """The requests and bytes of one run."""
    exchanges = [answer.exchange for answer in answers]
    steps = [f"{exchange.method} {exchange.path} {exchange.status}" for exchange in exchanges]
    sent, received = clients.bytes_sent(answers), clients.bytes_received(answers)
    return {"requests": len(answers), "sent": sent, "received": received, "steps": steps}

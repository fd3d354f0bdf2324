"""`/lab/interview/`: five questions that are often asked, each with an answer and a proof to run."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

import lab.claims.proofs  # noqa: F401  (registers them)
from lab.claims.catalogue import BY_ID, Claim
from lab.claims.evidence import PROOFS, Result, prove
from lab.pages import render_page


@dataclass(frozen=True)
class InterviewQuestion:
    """One question, its answer, and the claim whose proof shows it."""

    id: str
    question: str
    answer: str
    result: Result | None = None

    @property
    def claim(self) -> Claim:
        return BY_ID[self.id]

    @property
    def can_be_proved(self) -> bool:
        return self.id in PROOFS


QUESTIONS = (
    InterviewQuestion(
        "C100",
        "What is the difference between authentication and authorisation?",
        "Authentication settles who you are; authorisation settles what you may do. A stranger at a closed door gets "
        "401: we do not know you. A member at the administrators’ door gets 403: we know you, and you may not. Neither "
        "sessions nor tokens decide the second; both only say who is asking, and in which role.",
    ),
    InterviewQuestion(
        "C101",
        "What is the weakness of tokens, and what helps?",
        "A token that is not looked up cannot be revoked: after a ban it works until it expires. So it is made "
        "short, and renewed with a refresh token that is stored, replaced at each use, and can be revoked. Where a "
        "revocation must count at once, each request looks into a denylist or at a version, for one look-up more.",
    ),
    InterviewQuestion(
        "C102",
        "The access token is in memory. What happens when the page is reloaded?",
        "The memory is gone and with it the token; the refresh cookie is still there, where no script can read it. The "
        "page asks for a new access token once, without a word to the user, and goes on.",
    ),
    InterviewQuestion(
        "C103",
        "How is “remember me” done?",
        "The refresh cookie gets a Max-Age of 30 days; without the box it has none, and ends with the browser. The "
        "access token stays at 15 minutes either way. What is inside must live as long as its cookie, or the browser "
        "keeps for a month what the server refuses after a week. And a browser may restore a cookie without Max-Age.",
    ),
    InterviewQuestion(
        "C104",
        "A gateway checks the token and tells the services who is asking. Is that safe?",
        "Only if the gateway replaces the headers that a client sent under the same names, and only if no client can "
        "reach a service around it. Otherwise a client can claim to be any user. Services that verify the token "
        "themselves need neither promise.",
    ),
)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The five; a POST runs the proof of one."""
    wanted = request.POST.get("claim", "") if request.method == "POST" else ""
    if request.method == "POST" and wanted not in {asked.id for asked in QUESTIONS if asked.can_be_proved}:
        problem = "There is no such proof. Run one of those below."
        return render_page(
            request, "lab/interview.html", {"asked": QUESTIONS, "problem": problem}, {"error": problem}, 400
        )
    result = prove(BY_ID[wanted]) if wanted else None
    asked = [
        InterviewQuestion(one.id, one.question, one.answer, result if one.id == wanted else None) for one in QUESTIONS
    ]
    return render_page(request, "lab/interview.html", {"asked": asked, "ran": wanted}, result and result.as_json())

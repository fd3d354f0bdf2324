"""`/lab/interview/`: five common questions, each with an answer and a proof to run."""

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
        "Authentication establishes who the user is; authorisation decides what the user may do. A client without a "
        "login gets 401 from a protected page. A member who opens a page for administrators gets 403: the server knows "
        "the user and refuses. Sessions and tokens only say who the user is, and in which role. Neither decides what "
        "the role may do.",
    ),
    InterviewQuestion(
        "C101",
        "What is the weakness of tokens, and what helps?",
        "A token that is not looked up cannot be revoked: after a ban it works until it expires. This is why access "
        "tokens are short-lived and are renewed with a refresh token. The server keeps a record of each refresh "
        "token, replaces it at each use, and can refuse it. If a revocation must count at once, each request checks a "
        "denylist or a version, which costs one more look-up.",
    ),
    InterviewQuestion(
        "C102",
        "The access token is in memory. What happens when the page is reloaded?",
        "The access token is lost. The refresh cookie is still in the browser, where no script can read it. The page "
        "uses it once to get a new access token, and the user does not notice.",
    ),
    InterviewQuestion(
        "C103",
        "How is “Remember me” done?",
        "The refresh cookie gets a Max-Age of 30 days. Without the box it has none, and ends with the browser. "
        "The access token lives 15 minutes either way. The refresh token must live as long as its cookie, or the "
        "browser keeps a token that the server refuses. A browser may also restore a cookie that has no Max-Age.",
    ),
    InterviewQuestion(
        "C104",
        "A gateway checks the token and tells the services who the user is. Is that safe?",
        "Only if the gateway replaces any headers of the same names that the client sent, and only if no client can "
        "reach a service without passing the gateway. Otherwise a client can claim to be any user. Services that "
        "verify the token themselves need neither condition.",
    ),
)


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The five questions. A POST runs the proof of one."""
    wanted = request.POST.get("claim", "") if request.method == "POST" else ""
    if request.method == "POST" and wanted not in {asked.id for asked in QUESTIONS if asked.can_be_proved}:
        problem = "There is no such proof. Run one of the proofs below."
        return render_page(
            request, "lab/interview.html", {"asked": QUESTIONS, "problem": problem}, {"error": problem}, 400
        )
    result = prove(BY_ID[wanted]) if wanted else None
    asked = [
        InterviewQuestion(one.id, one.question, one.answer, result if one.id == wanted else None) for one in QUESTIONS
    ]
    return render_page(request, "lab/interview.html", {"asked": asked, "ran": wanted}, result and result.as_json())

"""`/lab/decide/`: seven questions and one recommendation. The answers are in the query string."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from lab.claims.catalogue import BY_ID
from lab.experiments.decision import (
    MEANING,
    QUESTIONS,
    USUAL,
    WHERE_KEPT,
    Answers,
    decide,
    settings_to_paste,
    uses_cookie,
)
from lab.pages import render_page


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The questions. With answers in the query string, the recommendation too."""
    answers: Answers = {name: str(value) for name, value in request.GET.dict().items() if name in USUAL}
    wrong = [question.text for question in QUESTIONS if answers.get(question.name, "") not in {"", *question.options}]
    if wrong:
        problem = f"There is no such answer to “{wrong[0]}” Choose one of the answers below."
        return render_page(
            request, "lab/decide.html", _questions_context({}) | {"problem": problem}, {"error": problem}, 400
        )
    given = {name: value for name, value in answers.items() if value}
    context = _questions_context(given) | (_recommendation_context(given) if given else {})
    return render_page(request, "lab/decide.html", context)


def _questions_context(answers: Answers) -> dict[str, Any]:
    return {"questions": [(question, (USUAL | answers)[question.name]) for question in QUESTIONS]}


def _recommendation_context(answers: Answers) -> dict[str, Any]:
    rule = decide(answers)
    return {
        "rule": rule,
        "meaning": MEANING[rule.outcome],
        "claim": BY_ID[rule.claim],
        "kept": WHERE_KEPT[(USUAL | answers)["clients"]] if rule.outcome.has_tokens else "",
        "settings": settings_to_paste(rule.outcome, uses_cookie(answers)),
        "unanswered": [question.text for question in QUESTIONS if question.name not in answers],
    }

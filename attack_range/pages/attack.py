"""The page of each attack: the theory, a clue and a guess, how to try it by hand, and a button that runs its cases."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

import attack_range.attacks  # noqa: F401  (registers the cases)
from attack_range import attempts
from attack_range.browser import CHROMIUM, Unavailable
from attack_range.pages import tables, texts, visits
from attack_range.pages.index import score
from attack_range.pages.rendering import render_page
from attack_range.running import Busy, run_all

# These attacks are shown as run by an HTTP client, the others as run by a browser.
BY_CLIENT = ("alg", "secret", "enumeration")


@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """The page, with this browser's results, and with the answer once the visitor has guessed."""
    return _render(request, _find(slug), visits.of(request))


@require_POST
def guess(request: HttpRequest, slug: str) -> HttpResponse:
    """Takes the number of an option. The page shows the answer from then on. 400 without a valid number."""
    text, visit = _find(slug), visits.of(request)
    chosen = request.POST.get("guess", "")
    if chosen not in map(str, range(len(text.options))):
        return _render(request, text, visit, 400, unguessed=True)
    visit.guesses[slug] = int(chosen)
    return _back(slug, visit, "guess")


@require_POST
def run(request: HttpRequest, slug: str) -> HttpResponse:
    """Runs all cases of the attack and shows the results. For browsers without JavaScript."""
    text, visit = _find(slug), visits.of(request)
    try:
        visit.keep(run_all(tables.of_attack(slug)))
    except (Unavailable, Busy) as error:
        return _render(request, text, visit, 503, problem=str(error))
    return _back(slug, visit, "results")


@require_POST
def reset(request: HttpRequest, slug: str) -> HttpResponse:
    """Deletes this browser's results and guess for the attack, and the servers' records of all attempts."""
    _find(slug)
    visit = visits.of(request)
    visit.forget(slug)
    # In Chromium's thread no case runs at the same time. Such a case would lose its records.
    CHROMIUM.in_its_thread(attempts.reset)
    return _back(slug, visit, "run")


def _find(slug: str) -> texts.Text:
    text = texts.find(slug)
    if text is None:
        raise Http404
    return text


def _render(
    request: HttpRequest, text: texts.Text, visit: visits.Visit, status: int = 200, **more: object
) -> HttpResponse:
    others = texts.find_all()
    place = others.index(text)
    context = {
        "text": text,
        "number": texts.ORDER.index(text.slug) + 1,
        "who": "A client" if text.slug in BY_CLIENT else "A browser",
        "right": text.options[text.answer],
        "guessed": visit.guesses.get(text.slug),
        "score": score(text.slug, visit),
        "groups": tables.by_variant(text.slug, visit),
        "matrices": tables.matrices(text.slug, visit),
        "histograms": tables.histograms(text.slug, visit),
        "before": others[place - 1] if place else None,
        "after": others[place + 1] if place + 1 < len(others) else None,
    }
    return render_page(request, "attack", context | more, visit, status)


def _back(slug: str, visit: visits.Visit, part: str) -> HttpResponse:
    response = redirect(f"{reverse('range:attack', args=[slug])}#{part}")
    response.status_code = 303
    visits.save(response, visit)
    return response

"""The first page: what the range is, its attacks with this browser's results, and its rooms."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

import attack_range.attacks  # noqa: F401  (registers the cases)
from attack_range import rooms
from attack_range.pages import tables, texts, visits
from attack_range.pages.rendering import describe_time, render_page


@dataclass(frozen=True)
class Score:
    """This browser's results for one attack: how many cases there are, were run, and ended as expected."""

    of: int
    run: int
    as_expected: int
    when: str

    @property
    def complete(self) -> bool:
        return bool(self.of) and self.run == self.of

    @property
    def good(self) -> bool:
        return self.as_expected == self.run


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The index. An attack that was not run in this browser has no result."""
    visit = visits.of(request)
    attacks = [(text, score(text.slug, visit)) for text in texts.find_all()]
    context = {"attacks": attacks, "rooms": rooms.ROOMS, "solved": rooms.find(visit.nonce).solved}
    return render_page(request, "index", context, visit)


def score(slug: str, visit: visits.Visit) -> Score:
    """Counts the results for one attack."""
    cases = tables.of_attack(slug)
    results = [visit.results[case.id] for case in cases if case.id in visit.results]
    good = sum(one["as_expected"] for one in results)
    # The time of the oldest result, so that no result is older than the page says.
    when = describe_time(min(one["at"] for one in results)) if results else ""
    return Score(len(cases), len(results), good, when)

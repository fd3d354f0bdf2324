"""Lists cases and runs them, in JSON, for the range's own pages and for the site's proofs."""

import json
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST, require_safe

import attack_range.attacks  # noqa: F401  (registers the cases)
from attack_range.browser import CHROMIUM, Unavailable
from attack_range.cases import CASES, select
from attack_range.pages import visits
from attack_range.running import Busy, run_all


@require_safe
def cases(request: HttpRequest) -> JsonResponse:
    """All cases: id, variant, what is tried, whether it is expected to succeed, and whether it shows a limit."""
    return JsonResponse({"cases": [_describe(name) for name in CASES]})


def _describe(name: str) -> dict[str, Any]:
    case = CASES[name]
    return {"id": name, "variant": case.variant, "tried": case.tried, "expected": case.expected, "limit": case.limit}


@require_POST
def run(request: HttpRequest) -> JsonResponse:
    """Takes `{"cases": ["xss/local-storage/read", "alg/"]}`. Returns the results, the time, and Chromium's version.

    An id that ends with `/` stands for all ids that begin with it. 400 for another body or an unknown id, 503 when
    there is no Chromium, or when too many runs wait for it.
    """
    try:
        chosen = select(str(one) for one in json.loads(request.body)["cases"])
    except KeyError as error:
        return JsonResponse({"error": f"There is no case {error.args[0]}."}, status=400)
    except (ValueError, TypeError, RecursionError):
        return JsonResponse({"error": 'The body must be JSON: {"cases": ["alg/none/weak"]}.'}, status=400)
    started = datetime.now(UTC)
    try:
        results = run_all(chosen)
    except (Unavailable, Busy) as error:
        return JsonResponse({"error": str(error)}, status=503)
    visits.keep_results(request, results)
    content = {"at": started.isoformat(timespec="seconds"), "chromium": CHROMIUM.release}
    return JsonResponse(content | {"cases": [one.as_json() for one in results]})

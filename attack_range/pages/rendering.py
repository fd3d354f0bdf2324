"""What the pages of the range have in common."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from attack_range import hosts
from attack_range.pages.visits import Visit, save

# Seconds. A newer result is shown as run just now.
JUST_NOW = 5 * 60


def render_page(
    request: HttpRequest, template: str, context: dict[str, Any], visit: Visit, status: int = 200
) -> HttpResponse:
    """The page, with the visitor's progress in its cookie. Caches must not store it, because its results change."""
    hosts_of_range = [
        (hosts.origin(hosts.VICTIM), "the victim"),
        (hosts.origin(hosts.VICTIM, other=True), "another server on the victim's host"),
        (hosts.origin(hosts.SIBLING), "a sibling host of the victim"),
        (hosts.origin(hosts.ATTACKER), "the attacker"),
    ]
    common = {"hosts": hosts_of_range, "victim": hosts.origin(hosts.VICTIM)}
    response = render(request, f"attack_range/{template}.html", common | context, status=status)
    response["Cache-Control"] = "no-store"
    save(response, visit)
    return response


def describe_time(at: datetime) -> str:
    """`just now`, or how many minutes ago."""
    seconds = (datetime.now(UTC) - at).total_seconds()
    return "just now" if seconds < JUST_NOW else f"{seconds // 60:.0f} minutes ago"

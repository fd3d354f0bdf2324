"""The one page of the victim's own site that is not part of the project: an empty page to start from."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from attack_range import hosts

BLANK = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Victim</title></head><body><main><h1>The victim's own site</h1><p>This page is empty. Use its console.</p>
<p><a href="{home}">To the attack range</a></p></main></body></html>"""


@login_not_required
@require_safe
def blank(request: HttpRequest) -> HttpResponse:
    """A page without scripts, at the victim's origin and with the project's Content-Security-Policy."""
    return HttpResponse(format_html(BLANK, home=hosts.origin(hosts.RANGE) + "/"))

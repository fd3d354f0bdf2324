"""The look of the weak pages for visitors: plain forms, readable on a phone and in both colour schemes."""

from django.http import HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from attack_range import hosts

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 0 auto; padding: 1rem;
    color: light-dark(#1c1c1c, #eeeeee); background: light-dark(#ffffff, #191919); }
h1 { font-size: 1.5rem; line-height: 1.2; } h2 { font-size: 1.1rem; margin-top: 2rem; }
a { color: light-dark(#0b57a4, #8ec5ff); }
header p, .what { border-left: 0.3rem solid light-dark(#b3400a, #ff9a66); padding-left: 0.7rem; }
label { display: block; margin-top: 0.7rem; }
input, textarea, select, button { font: inherit; box-sizing: border-box; width: 100%; padding: 0.5rem;
    color: inherit; background: light-dark(#f4f4f4, #2a2a2a); border: 1px solid light-dark(#767676, #9a9a9a);
    border-radius: 0.3rem; }
textarea, code, pre { font-family: ui-monospace, monospace; font-size: 0.9rem; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; padding: 0.7rem; background: light-dark(#f4f4f4, #2a2a2a); border-radius: 0.3rem; }
textarea { min-height: 6rem; } button { width: auto; min-width: 8rem; margin-top: 0.8rem; cursor: pointer; }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><link rel="icon" href="data:,"><style>{style}</style></head>
<body><header><p>This page is weak on purpose. It belongs to the <a href="{home}">attack range</a>.</p></header>
<main><h1>{title}</h1>{parts}</main></body></html>"""


def page(title: str, *parts: SafeString, status: int = 200) -> HttpResponse:
    """A whole page made of these parts, which are safe HTML."""
    body = format_html_join("\n", "{}", ((part,) for part in parts))
    home = hosts.origin(hosts.RANGE) + "/"
    return HttpResponse(format_html(PAGE, title=title, style=mark_safe(STYLE), home=home, parts=body), status=status)  # noqa: S308


def text(sentence: str) -> SafeString:
    """A paragraph."""
    return format_html("<p>{}</p>", sentence)


def heading(words: str) -> SafeString:
    """A heading of the second level."""
    return format_html("<h2>{}</h2>", words)


def outcome(sentence: str) -> SafeString:
    """The server's answer to a form, which a screen reader announces."""
    return format_html('<p class="what" role="status">{}</p>', sentence)


def value(label: str, content: str) -> SafeString:
    """A cookie, a token or a key, which the visitor can read and copy."""
    return format_html("<p>{}</p><pre>{}</pre>", label, content)


def form(action: str, button: str, *fields: SafeString) -> SafeString:
    """A form that posts to `action`."""
    inside = format_html_join("\n", "{}", ((field,) for field in fields))
    return format_html('<form method="post" action="{}">{}<button>{}</button></form>', action, inside, button)


def field(name: str, label: str, content: str = "", kind: str = "text") -> SafeString:
    """An input of one line."""
    html = '<label>{}<input name="{}" type="{}" value="{}" autocomplete="off"></label>'
    return format_html(html, label, name, kind, content)


def area(name: str, label: str, content: str = "") -> SafeString:
    """An input of several lines."""
    html = '<label>{}<textarea name="{}" spellcheck="false">{}</textarea></label>'
    return format_html(html, label, name, content)


def choice(name: str, label: str, chosen: str, *options: str) -> SafeString:
    """A list from which one option is chosen."""
    items = format_html_join(
        "",
        "<option{}>{}</option>",
        ((mark_safe(" selected" * (one == chosen)), one) for one in options),  # noqa: S308
    )
    return format_html('<label>{}<select name="{}">{}</select></label>', label, name, items)


def hidden(name: str) -> SafeString:
    """A hidden field that tells the server which form of the page was sent."""
    return format_html('<input type="hidden" name="{}" value="1">', name)

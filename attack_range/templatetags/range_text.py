"""Turns texts of the range into HTML: text between backquotes becomes code, and addresses of the range become links."""

import os
import re
from collections.abc import Iterator

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from attack_range import hosts

register = template.Library()
NAMES = "|".join(re.escape(name) for name in sorted(hosts.ALL, key=len, reverse=True))
ADDRESS = re.compile(rf"(?:http://)?(?<![\w.-])({NAMES})(?::(\d+))?((?:/[\w./?=&-]*[\w/])?|/)")
CODE = re.compile(r"`([^`]+)`")
# The texts write this number for the second port, whatever port the range uses.
OTHER = "8011"


@register.filter
def prose(text: str) -> SafeString:
    """Escapes the text. The ports in its addresses become those of this range."""
    return format_html_join("", "{}", ((piece,) for piece in _pieces(text)))


def _pieces(text: str) -> Iterator[str | SafeString]:
    # `split` with a group returns text and code alternately.
    for number, piece in enumerate(CODE.split(text)):
        if number % 2 == 0 or ADDRESS.fullmatch(piece):
            yield from _linked(piece)
        else:
            yield format_html("<code>{}</code>", piece)


def _linked(text: str) -> Iterator[str | SafeString]:
    end = 0
    for found in ADDRESS.finditer(text):
        yield text[end : found.start()]
        name, number, path = found.groups()
        address = hosts.origin(name, number == OTHER) + (path or "/")
        yield format_html('<a href="{}">{}</a>', address, address)
        end = found.end()
    yield text[end:]


@register.filter
def anchor(name: str) -> str:
    """The id of a case as a fragment of a URL."""
    return "case-" + name.replace("/", "-")


@register.simple_tag
def site() -> str:
    """The origin of the site beside the range."""
    return f"http://localhost:{os.environ.get('PORT') or 8000}"

"""The tag `{% term %}`, for templates of this site."""

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.glossary import terms

register = template.Library()


@register.simple_tag
def term(key: str, text: str = "") -> SafeString:
    """The term as a link into the glossary, with its sentence as title. `text` replaces its name, for a plural.

    Raises `KeyError` for a key that the glossary does not have, so that no page can use a word that nobody explained.
    """
    entry = terms()[key]
    link = '<a class="term" href="{}#{}" title="{}">{}</a>'
    return format_html(link, reverse("glossary"), key, entry.says, text or entry.name)

"""The tag `{% endpoint_table %}`, for the pages about the APIs."""

from typing import Any

from django import template

from config.endpoints import endpoints

register = template.Library()


@register.inclusion_tag("endpoints.html")
def endpoint_table(name: str = "") -> dict[str, Any]:
    """The endpoints of all APIs, or of the one with this name, by API."""
    found = endpoints()
    return {"parts": {name: found[name]} if name in found else found}

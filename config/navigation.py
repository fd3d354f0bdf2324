"""The links at the top of every page, in the same order for every visitor, also on an error page.

Outside the demo only staff get the link to the admin, and an error page does not know who is staff.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.conf import settings
from django.urls import NoReverseMatch, reverse

# The label of each link, the view it leads to, and the part of the site that it stands for. "" is only the page itself.
LINKS = (
    ("Home", "home", ""),
    ("Start", "lab:start", "/start/"),
    ("Session", "session:profile_page", "/session/"),
    ("Token", "jwt:client_page", "/jwt/"),
    ("Devices", "session:devices_page", ""),
    ("Notes", "notes:page", "/notes/"),
    ("Lab", "lab:index", "/lab/"),
    ("Claims", "lab:claims", "/claims/"),
    ("Mailbox", "accounts:mail", ""),
    ("Admin", "admin:index", "/admin/"),
)
OPTIONAL = ("lab", "notes")


@dataclass(frozen=True)
class Link:
    """One of the links. `current` is the value of `aria-current`: "page", "true" for a page further inside, or ""."""

    label: str
    address: str
    current: str


def links(path: str, is_staff: bool = False) -> list[Link]:
    """The links for a page at `path`. Those of apps that are not installed are left out.

    In the demo the link to the admin is there for everyone.
    """
    shown = {"Mailbox": has_mailbox(), "Admin": settings.DEMO or is_staff}
    wanted = [link for link in LINKS if shown.get(link[0], True)]
    found = [(label, address, part) for label, view, part in wanted for address in _addresses(view)]
    # A page that has a link of its own is not also marked as inside another part: the devices are under /session/.
    here = {address for _, address, _ in found if address == path}
    return [Link(label, address, _current(path, address, part, bool(here))) for label, address, part in found]


def has_mailbox() -> bool:
    """Whether mails stay in the demo's mailbox. With a mail server they do not."""
    return settings.DEMO and not settings.EMAIL_URL


def _addresses(view: str) -> Iterator[str]:
    app = view.partition(":")[0]
    if app in OPTIONAL and not apps.is_installed(app):
        return
    try:
        yield reverse(view)
    except NoReverseMatch:
        return


def _current(path: str, address: str, part: str, is_linked: bool) -> str:
    if path == address:
        return "page"
    return "true" if part and not is_linked and path.startswith(part) else ""

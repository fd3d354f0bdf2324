"""Users in the admin's lists of logins and events: found in one statement, named, and linked to their own pages.

Works with any user model. Without an admin page of the user model, or without the permission to see it, there is no
link.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from security.users import pk_of, stored_users, user_key

# How `ActionsAdmin.reason` names an administrator: by `user_key`.
ADMINISTRATOR = re.compile(r"\badministrator (\S+)")


def administrators_in(reason: str) -> list[str]:
    """The keys of the administrators that this reason contains."""
    return ADMINISTRATOR.findall(reason)


def with_names(reason: str, users: dict[str, Any]) -> str:
    """The reason with login names in the place of keys."""
    return ADMINISTRATOR.sub(lambda found: f"administrator {name_of(found[1], users)}", reason)


def name_of(key: str, users: dict[str, Any]) -> str:
    """The login name of the user with this key, if it is one of `users`; otherwise the key."""
    return str(users[key].get_username()) if key in users else key


def users_by_key(keys: Iterable[str]) -> dict[str, Any]:
    """The users with these values of `user_key`, in one statement. Those who were deleted are missing."""
    pks = []
    for key in filter(None, set(keys)):
        try:
            pks.append(pk_of(key))
        except ValidationError:
            continue  # the key of another user model, which the project had before
    return {user_key(user.pk): user for user in stored_users().filter(pk__in=pks)} if pks else {}


def link_to(site: AdminSite, request: HttpRequest, user: Any) -> SafeString | str:
    """The login name of `user`, as a link to the user's page if this administrator may see it."""
    model: Any = get_user_model()
    if not site.is_registered(model) or not site.get_model_admin(model).has_view_permission(request, user):
        return str(user.get_username())
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    page = reverse(name, args=[quote(user.pk)], current_app=site.name)
    return format_html('<a href="{}">{}</a>', page, user.get_username())


def link_to_rows(admin: Any, search: str, number: str) -> tuple[str, str]:
    """The address and the text of a link to the rows of this list that a search finds."""
    name = f"admin:{admin.opts.app_label}_{admin.opts.model_name}_changelist"
    page = reverse(name, current_app=admin.admin_site.name)
    title = str(admin.opts.verbose_name_plural)
    return f"{page}?{urlencode({'q': search})}", f"{title[:1].upper()}{title[1:]} ({number})"


def links_of(site: AdminSite, request: HttpRequest, user: Any) -> list[tuple[str, str]]:
    """Links to the logins and the events of `user`, each as its address and its text. One statement for each."""
    admins = [admin for admin in site._registry.values() if hasattr(admin, "rows_of")]
    links = [admin.rows_of(user) for admin in admins if admin.has_view_permission(request)]
    return [link for link in links if link]

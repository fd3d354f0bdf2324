"""Banning users and revoking their access in the admin: from the list and from a user's page, with a reason.

Gives `AccessAdmin`, a base class of `accounts.admin.UserAdmin`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from accounts import bans
from accounts.models import User
from security import devices, events
from security.client import Client
from security.models import PendingRevocation, SecurityEvent
from security.revocation import ended_in_words, revoke_access, watching
from security.transactions import write_transaction
from security.users import DEACTIVATED, user_key

# How many users the page that asks for the reason lists.
LISTED = 20


@dataclass(frozen=True)
class Deed:
    """What an administrator can do to a user's access. `answers` are for one user and for several."""

    title: str
    act: Callable[[User, str], list[PendingRevocation]]
    refusal: Callable[[User, Any], str]
    done: str
    answers: tuple[str, str]


def _revoke(user: User, reason: str) -> list[PendingRevocation]:
    # Watched here, so that `say_what_ended` does not say the same again.
    with watching() as revocations:
        revoke_access(user, reason)
    return revocations


DEEDS = {
    "ban": Deed("Ban", bans.ban, bans.refusal_to_ban, "banned", ("{} is banned.", "{} users are banned.")),
    "lift_ban": Deed(
        *("Lift the ban", bans.lift, bans.refusal_to_lift, "ban lifted"),
        ("{} may log in again.", "{} users may log in again."),
    ),
    "revoke_access": Deed(
        *("Revoke access", _revoke, lambda user, by: "", "access revoked"),
        ("The access of {} is revoked.", "The access of {} users is revoked."),
    ),
}


def record_event(request: HttpRequest, about: Model, action: str, **detail: Any) -> None:
    """Records what this administrator did to the user `about`."""
    assert isinstance(about, User)
    by = {"by": user_key(request.user.pk), "action": action}
    events.record(SecurityEvent.Name.ADMIN_ACTION, about, Client.of(request), **by, **detail)


def say_what_ended(view: Callable[..., Any]) -> Callable[..., Any]:
    """A view of the admin that also tells the administrator what its change of a user has ended.

    After the view, because its transaction is committed then: only now the revocations are carried out.
    """

    @wraps(view)
    def watched(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with watching() as revocations:
            answer = view(self, request, *args, **kwargs)
        if revocations:
            deactivated = [row.user_key for row in revocations if row.reason == DEACTIVATED]
            banned = User.objects.filter(pk__in=deactivated)
            said = [f"{user.email_as_given} is banned." for user in banned[:LISTED]]
            messages.success(request, " ".join([*said, ended_in_words(revocations)]))
        return answer

    return watched


class AccessAdmin(admin.ModelAdmin):
    """The actions of `DEEDS`: on the list, and each at an address of its own for one user."""

    actions = [*DEEDS]

    def get_urls(self) -> list[Any]:
        pages = [
            path(
                f"<id>/{name.replace('_', '-')}/",
                self.admin_site.admin_view(partial(self._act_on_one, name)),
                name=f"accounts_user_{name}",
            )
            for name in DEEDS
        ]
        return [*pages, *super().get_urls()]

    def _act_on_one(self, name: str, request: HttpRequest, id: str) -> HttpResponse:
        user = self.get_object(request, unquote(id))
        if user is None:
            raise Http404
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        page = reverse("admin:accounts_user_change", args=[quote(user.pk)], current_app=self.admin_site.name)
        context = {
            "back": page,
            "refused": DEEDS[name].refusal(user, request.user),
            "logins": [devices.counted(len(flow.list(user.pk)), flow.name) for flow in devices.FLOWS],
        }
        return self._act(name, request, User.objects.filter(pk=user.pk), context) or redirect(page)

    @admin.action(description="Ban", permissions=["change"])
    def ban(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Deactivates these users and revokes their access."""
        return self._act_on_chosen("ban", request, queryset)

    @admin.action(description="Lift the ban", permissions=["change"])
    def lift_ban(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Lets these users log in again."""
        return self._act_on_chosen("lift_ban", request, queryset)

    @admin.action(description="Revoke access", permissions=["change"])
    def revoke_access(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Ends all logins of these users."""
        return self._act_on_chosen("revoke_access", request, queryset)

    def _act_on_chosen(self, name: str, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        chosen = {
            "action": name,
            ACTION_CHECKBOX_NAME: request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
        }
        return self._act(name, request, queryset, {"back": request.get_full_path(), "hidden": chosen})

    def _act(
        self, name: str, request: HttpRequest, users: QuerySet[User], context: dict[str, Any]
    ) -> HttpResponse | None:
        """Acts if a reason was given; otherwise returns the page that asks for it."""
        reason = request.POST.get("reason", "").strip()[:100]
        if reason:
            self._carry_out(DEEDS[name], request, users, reason)
            return None
        number, shown = users.count(), list(users[:LISTED])
        context |= {
            **self.admin_site.each_context(request),
            "title": f"{DEEDS[name].title}: {shown[0].email_as_given if number == 1 else f'{number} users'}",
            "deed": name,
            "button": DEEDS[name].title,
            "number": number,
            "shown": shown,
        }
        return TemplateResponse(request, "admin/accounts/user/ask_for_reason.html", context)

    def _carry_out(self, deed: Deed, request: HttpRequest, users: QuerySet[User], reason: str) -> None:
        done, revocations, refusals = [], [], []
        for pk in list(users.values_list("pk", flat=True)):
            with write_transaction():
                if (user := {user.pk: user for user in bans.lock_with_superusers(pk)}.get(pk)) is None:
                    continue  # deleted meanwhile
                if refused := deed.refusal(user, request.user):
                    refusals.append(refused)
                    continue
                revocations += deed.act(user, reason)
                record_event(request, user, deed.done, reason=reason)
                super().log_change(request, user, f"{deed.done.capitalize()}: {reason}")
            done.append(user.email_as_given)
        for refused in refusals[:LISTED]:
            messages.error(request, refused)
        if len(refusals) > LISTED:
            messages.error(request, f"{len(refusals) - LISTED} more were refused.")
        if done:
            said = deed.answers[0].format(done[0]) if len(done) == 1 else deed.answers[1].format(len(done))
            told = "" if deed is DEEDS["lift_ban"] else ended_in_words(revocations)
            messages.success(request, f"{said} {told}".strip())

"""Users in Django's admin. Each change that is made here is recorded as a security event."""

from collections import Counter
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm as DjangoUserChangeForm
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path

from accounts.models import User
from security import events
from security.admin import LargeTableAdmin
from security.client import Client
from security.models import SecurityEvent
from security.revocation import revoke_access, summary
from security.users import access_of, user_key

# How many users an action reads at a time, and how many the page that asks for the reason lists.
BATCH, LISTED = 500, 20


class UserForm(DjangoUserChangeForm):
    """Django's form. Its e-mail field shows the address as given."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["email"] = self.instance.email_as_given

    def full_clean(self) -> None:
        # Unchanged values are not validated again: a newer rule must not keep an administrator from banning the user.
        for name in self._unchanged():
            self.fields[name].validators = []
        super().full_clean()

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() | self._unchanged()  # type: ignore[misc]

    def _unchanged(self) -> set[str]:
        return self.fields.keys() - set(self.changed_data)


@admin.register(User)
class UserAdmin(LargeTableAdmin, DjangoUserAdmin):
    """To create and deactivate users, change roles, set passwords and revoke access."""

    form = UserForm
    list_display = ["email_as_given", "name", "role", "is_active", "last_login", "created"]
    list_filter = ["role", "is_active"]
    search_fields = ["email", "email_as_given"]
    search_help_text = "Part of an e-mail address"
    ordering = ["email"]
    readonly_fields = ["compared_as", "token_version", "last_login", "created"]
    fieldsets = [
        (None, {"fields": ["email", "compared_as", "name", "password"]}),
        ("Access", {"fields": ["role", "is_active", "is_superuser", "groups", "user_permissions"]}),
        ("History", {"fields": ["created", "last_login", "token_version"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "role", "usable_password", "password1", "password2"]})]
    actions = ["revoke_access_of"]

    @admin.display(description="token version")
    def token_version(self, user: User) -> int:
        """The user's `token_version`. What was issued at an earlier one is invalid."""
        return access_of(user).token_version

    @admin.display(description="compared as")
    def compared_as(self, user: User) -> str:
        """The form of the e-mail address that a login is looked up by."""
        return user.email

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.revoke_one)
        return [path("<id>/revoke/", view, name="accounts_user_revoke"), *super().get_urls()]

    def revoke_one(self, request: HttpRequest, id: str) -> HttpResponse:
        """Asks for the reason. The admin page of a user links to it."""
        user = self.get_object(request, unquote(id))
        if user is None:
            raise Http404
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        return self._ask_for_reason(request, User.objects.filter(pk=user.pk), [user.pk], "0")

    @admin.action(description="Revoke access", permissions=["change"])
    def revoke_access_of(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Revokes the access of these users, after asking for a reason."""
        reason = request.POST.get("reason", "").strip()
        if not reason:
            chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
            return self._ask_for_reason(request, queryset, chosen, request.POST.get("select_across", "0"))
        ended: Counter[str] = Counter()
        pending = 0
        for user in queryset.iterator(chunk_size=BATCH):
            revocation = revoke_access(user, reason)
            _record_event(request, user, "revoked access", reason=reason[:100])
            ended.update(revocation.ended or {})
            pending += revocation.ended is None
        messages.success(request, summary(dict(ended), pending))
        return None

    def _ask_for_reason(
        self, request: HttpRequest, queryset: QuerySet[User], chosen: list[Any], across: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Revoke access",
            "number": queryset.count(),
            "shown": queryset[:LISTED],
            "chosen": chosen,
            "across": across,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/accounts/user/revoke.html", context)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        # This page does not ask for the current password, so a thief of the session could take over the account.
        if self.get_object(request, unquote(id)) == request.user:
            return redirect("accounts:password_change")
        return super().user_change_password(request, id, form_url)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _record_event(request, obj, "added")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _record_event(request, obj, "changed", fields=_changed_fields(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for user in queryset:
            _record_event(request, user, "deleted")
        return super().log_deletions(request, queryset)


def _record_event(request: HttpRequest, about: Model, action: str, **detail: Any) -> None:
    assert isinstance(about, User)
    by = {"by": user_key(request.user.pk), "action": action}
    events.record(SecurityEvent.Name.ADMIN_ACTION, about, Client.of(request), **by, **detail)


def _changed_fields(message: Any) -> list[str]:
    if not isinstance(message, list):
        return [str(message)]
    return [field for entry in message for field in entry.get("changed", {}).get("fields", [])]

"""Users in Django's admin. Each change that is made here is recorded as a security event."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm as DjangoUserChangeForm
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect

from accounts import bans
from accounts.access_admin import AccessAdmin, record_event, say_what_ended
from accounts.models import User
from security.admin import LargeTableAdmin, titled
from security.admin_users import links_of
from security.users import access_of


class UserForm(DjangoUserChangeForm):
    """Django's form. Its e-mail field shows the address as given."""

    # The administrator, set by `UserAdmin.get_form`.
    by: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["email"] = self.instance.email_as_given
        if "is_active" in self.fields:
            self.fields["is_active"].help_text = "Without it the user is banned. “Ban” above also records a reason."

    def full_clean(self) -> None:
        # Unchanged values are not validated again: a newer rule must not keep an administrator from banning the user.
        for name in self._unchanged():
            self.fields[name].validators = []
        super().full_clean()

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() | self._unchanged()  # type: ignore[misc]

    def clean(self) -> Any:
        cleaned = super().clean()
        changed = {name: self.cleaned_data.get(name) for name in ("is_active", "role", "is_superuser")}
        changed = {name: value for name, value in changed.items() if name in self.changed_data}
        if changed:
            list(bans.lock_with_superusers(self.instance.pk))  # Django's page is one transaction
        if changed.get("is_active") is False and (refused := bans.refusal_to_ban(self.instance, self.by)):
            self.add_error("is_active", refused)
        demoted = changed.keys() - {"is_active"}
        if demoted and bans.are_last_superusers([self.instance]):
            for name in demoted:
                self.add_error(name, "This is the last superuser. Name another superuser first.")
        return cleaned

    def _unchanged(self) -> set[str]:
        return self.fields.keys() - set(self.changed_data)


EMAIL = titled("email_as_given", "e-mail address")


@admin.register(User)
class UserAdmin(AccessAdmin, LargeTableAdmin, DjangoUserAdmin):
    """To create and ban users, change roles, set passwords and revoke access."""

    actions = [*AccessAdmin.actions, "delete_selected"]
    form = UserForm
    list_display = [EMAIL, "name", "role", "is_active", titled("last_login", "last login")]
    list_filter = ["role", "is_active"]
    search_fields = ["email", "email_as_given"]
    search_help_text = "Part of an e-mail address"
    ordering = ["email"]
    readonly_fields = ["compared_as", "token_version", "last_login", "created"]
    fieldsets = [
        (None, {"fields": ["email", "compared_as", "name", "password"]}),
        ("Access", {"fields": ["role", "is_active", "is_superuser"]}),
        ("History", {"fields": ["created", "last_login", "token_version"]}),
        ("Single permissions", {"classes": ["collapse"], "fields": ["user_permissions"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "role", "usable_password", "password1", "password2"]})]

    @admin.display(description="token version")
    def token_version(self, user: User) -> int:
        """The user's `token_version`. What was issued at an earlier one is invalid."""
        return access_of(user).token_version

    @admin.display(description="compared as")
    def compared_as(self, user: User) -> str:
        """The form of the e-mail address that a login is looked up by."""
        return user.email

    changelist_view = say_what_ended(LargeTableAdmin.changelist_view)
    delete_view = say_what_ended(DjangoUserAdmin.delete_view)

    @say_what_ended
    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """The page of one user, with links to the user's logins and events."""
        user = object_id and self.get_object(request, unquote(object_id))
        links = links_of(self.admin_site, request, user) if user and request.method == "GET" else []
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), "links": links})

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Also refused for the last superuser."""
        return super().has_delete_permission(request, obj) and not (obj and bans.are_last_superusers([obj]))

    @admin.action(description="Delete selected %(verbose_name_plural)s", permissions=["delete"])
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> Any:
        """Django's action, without deleting all superusers together: none of them is the last one until then."""
        if bans.are_last_superusers(queryset):
            sentence = "No superuser would be left. Name another superuser first."
            return self.message_user(request, sentence, messages.ERROR)
        return delete_selected(self, request, queryset)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.by = request.user
        return form

    @say_what_ended
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        # This page does not ask for the current password, so a thief of the session could take over the account.
        if self.get_object(request, unquote(id)) == request.user:
            return redirect("accounts:password_change")
        return super().user_change_password(request, id, form_url)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record_event(request, obj, "added")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record_event(request, obj, "changed", fields=_changed_fields(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for user in queryset:
            record_event(request, user, "deleted")
        return super().log_deletions(request, queryset)


def _changed_fields(message: Any) -> list[str]:
    if not isinstance(message, list):
        return [str(message)]
    return [field for entry in message for field in entry.get("changed", {}).get("fields", [])]

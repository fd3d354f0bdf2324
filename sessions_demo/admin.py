"""Sessions in Django's admin: lists them and ends them."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from security.admin import ActionsAdmin, ByState
from security.client import name_of
from sessions_demo.flow import FLOW
from sessions_demo.models import DeviceSession


@admin.register(DeviceSession)
class DeviceSessionAdmin(ActionsAdmin):
    """Sessions can be read and ended here, not changed."""

    list_display = ["user", "state", "started", "last_seen", "address", "browser", "remember", "absolute_end"]
    list_filter = [ByState, "remember"]
    list_select_related = ["user"]
    owner = "user"
    search_fields = ["=address"]
    search_help_text = "The name a user logs in by, or a network address, in full"
    ordering = ["-started"]
    actions = ["end", "end_all_of_user"]

    @admin.display(description="state")
    def state(self, row: DeviceSession) -> str:
        """ "live", "expired", or when and why the session was ended."""
        return row.state()

    @admin.display(description="user agent")
    def browser(self, row: DeviceSession) -> str:
        """The browser and the operating system. The complete user agent would be several lines long."""
        return name_of(row.user_agent)

    @admin.action(description="End the selected sessions", permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[DeviceSession]) -> None:
        """Ends each of the selected sessions."""
        rows = queryset.select_related("user")
        ended = sum(FLOW.end(row.user, row.pk, self.reason(request)) for row in rows if row.user)
        messages.success(request, f"{ended} ended.")

    @admin.action(description="End all sessions of the users of the selected ones", permissions=["change"])
    def end_all_of_user(self, request: HttpRequest, queryset: QuerySet[DeviceSession]) -> None:
        """Ends all sessions of these users. Their tokens stay."""
        owners = {row.user for row in queryset.select_related("user") if row.user}
        ended = sum(FLOW.end_others(owner, None, self.reason(request)) for owner in owners)
        messages.success(request, f"{ended} ended.")

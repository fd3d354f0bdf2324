"""Sessions in Django's admin: lists them and ends them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from security.admin import ActionsAdmin, ByState, titled, titled_filter
from sessions_demo.flow import FLOW
from sessions_demo.models import DeviceSession

STARTED, SEEN = titled("started", "logged in"), titled("last_seen", "last seen")
REMEMBER = titled("remember", "remember me", boolean=True)
TIMES: list[Any] = [
    *(STARTED, SEEN, titled("idle_end", "ends, if left unused"), titled("absolute_end", "ends at the latest")),
    "ended",
]


@admin.register(DeviceSession)
class DeviceSessionAdmin(ActionsAdmin):
    """Sessions can be read and ended here, not changed."""

    list_display = ["shown_owner", STARTED, "state", SEEN, "client"]
    list_display_links = [STARTED]
    list_filter = [ByState, ("remember", titled_filter(admin.BooleanFieldListFilter, "remember me"))]
    list_select_related = ["user"]
    owner = "user"
    search_fields = ["=address"]
    search_help_text = "The name a user logs in by, or a network address, in full"
    ordering = ["-started"]
    readonly_fields = ["shown_owner", "state", "client", REMEMBER, *TIMES]
    fieldsets = [
        (None, {"fields": ["shown_owner", "state", "client", REMEMBER]}),
        ("Times", {"fields": TIMES}),
        ("As it is stored", {"classes": ["collapse"], "fields": ["id", "address", "user_agent", "token_version"]}),
    ]
    actions = ["end", "end_all_of_user"]
    end_button = ("end", "End this session")

    @admin.display(description="state")
    def state(self, row: DeviceSession) -> str:
        """ "live", "expired", or when and why the session was ended."""
        return row.state()

    @admin.action(description="End the selected sessions", permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[DeviceSession]) -> None:
        """Ends each of the selected sessions."""
        rows = queryset.select_related("user")
        ended = sum(FLOW.end(row.user, row.pk, self.reason(request)) for row in rows if row.user)
        self.say_ended(request, ended, FLOW.name)

    @admin.action(description="End all sessions of the users of the selected ones", permissions=["change"])
    def end_all_of_user(self, request: HttpRequest, queryset: QuerySet[DeviceSession]) -> None:
        """Ends all sessions of these users. Their tokens stay."""
        owners = {row.user for row in queryset.select_related("user") if row.user}
        ended = sum(FLOW.end_others(owner, None, self.reason(request)) for owner in owners)
        self.say_ended(request, ended, FLOW.name)

"""Admin pages for families and for SimpleJWT's outstanding and blacklisted tokens, with actions that end them.

SimpleJWT registers its own pages for its tokens. A project that wants the pages of this module registers them instead.
"""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from jwt_demo import blacklist
from jwt_demo.flow import FLOW
from jwt_demo.key_rotation import reminders
from jwt_demo.models import TokenFamily
from security.admin import ActionsAdmin, ByState, titled, titled_filter
from security.dates import moment
from security.devices import counted

# How much of a chain one page shows: a family that lives for a month may have thousands of generations.
LISTED = 200
STARTED, REFRESHED = titled("started", "logged in"), titled("issued", "last refreshed")
REMEMBER = titled("remember", "remember me", boolean=True)
TIMES: list[Any] = [
    *(STARTED, REFRESHED, titled("expires", "ends, if not refreshed"), titled("absolute_end", "ends at the latest")),
    "ended",
]
STORED: list[Any] = ["id", "address", "user_agent", "token_version", "policy", "generation", "void_below", "jti", "kid"]


@admin.register(TokenFamily)
class TokenFamilyAdmin(ActionsAdmin):
    """One login in each row."""

    list_display = ["shown_owner", STARTED, "state", REFRESHED, "client"]
    list_display_links = [STARTED]
    list_filter = [ByState, "transport", ("remember", titled_filter(admin.BooleanFieldListFilter, "remember me"))]
    list_select_related = ["user"]
    owner = "user"
    search_fields = ["=address"]
    search_help_text = "The name a user logs in by, or a network address, in full"
    ordering = ["-started"]
    readonly_fields = ["shown_owner", "state", "client", REMEMBER, *TIMES, "chain"]
    fieldsets = [
        (None, {"fields": ["shown_owner", "state", "client", "transport", REMEMBER]}),
        ("Times", {"fields": TIMES}),
        ("Refresh tokens", {"fields": ["chain"]}),
        ("As it is stored", {"classes": ["collapse"], "fields": STORED}),
    ]
    actions = ["revoke", "revoke_all_of_user"]
    end_button = ("revoke", "End this token login")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list. Above it, what an administrator has to do about the keys."""
        # After an action the page is loaded again, and would say it twice. A user without permission must not read it.
        if request.method == "GET" and self.has_view_permission(request):
            for due in reminders():
                messages.warning(request, due)
        return super().changelist_view(request, extra_context)

    @admin.display(description="state")
    def state(self, row: TokenFamily) -> str:
        """Live, or when and why it ended."""
        return row.state()

    @admin.display(description="generations, the latest first")
    def chain(self, row: TokenFamily) -> SafeString | str:
        """The family's latest refresh tokens, at most `LISTED`. Housekeeping deletes expired ones."""
        lines = [
            (blacklist.generation_of(entry.jti), blacklist.state(entry), entry.created_at and moment(entry.created_at))
            for entry in blacklist.chain(row)[:LISTED]
        ]
        return format_html_join("", "<div>{}: {}, issued {}</div>", lines) or "all have expired"

    @admin.action(description="End the selected token logins", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[TokenFamily]) -> None:
        """Ends each of these families."""
        rows = queryset.select_related("user")
        ended = sum(FLOW.end(row.user, row.pk, self.reason(request)) for row in rows if row.user)
        self.say_ended(request, ended, FLOW.name)

    @admin.action(description="End all token logins of the users of the selected ones", permissions=["change"])
    def revoke_all_of_user(self, request: HttpRequest, queryset: QuerySet[TokenFamily]) -> None:
        """Ends all families of these users."""
        owners = {row.user for row in queryset.select_related("user") if row.user}
        ended = sum(FLOW.end_others(owner, None, self.reason(request)) for owner in owners)
        self.say_ended(request, ended, FLOW.name)


class RefreshTokenAdmin(ActionsAdmin):
    """What the pages of SimpleJWT's two tables share."""

    ordering = ["-pk"]
    search_help_text = "The name a user logs in by, or a jti, in full"

    def prepare(self, request: HttpRequest, rows: list[Any]) -> None:
        blacklist.set_families(rows)
        super().prepare(request, rows)

    @admin.display(description="family")
    def family(self, row: Any) -> SafeString | str:
        """The login it belongs to."""
        family = row.family
        if family is None:
            return "gone"
        link = reverse("admin:jwt_demo_tokenfamily_change", args=[family.pk])
        return format_html('<a href="{}">{}</a>', link, str(family.pk)[:8])

    @admin.display(description="generation")
    def generation(self, row: Any) -> str:
        """Its place in the family."""
        return blacklist.generation_of(blacklist.entry_of(row).jti)

    @admin.display(description="client")
    def client(self, row: Any) -> str:
        """The address and the browser that logged in."""
        return super().client(row.family) if row.family else ""


class EntryByState(admin.SimpleListFilter):
    """Good, blacklisted, or expired."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("good", "Good"), ("blacklisted", "Blacklisted"), ("expired", "Expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        if self.value() == "good":
            return queryset.filter(blacklistedtoken=None, expires_at__gt=now)
        if self.value() == "blacklisted":
            return queryset.exclude(blacklistedtoken=None)
        return queryset.filter(expires_at__lte=now) if self.value() == "expired" else queryset


TOKEN = ["family", "generation", "client"]
ISSUED, BLACKLISTED = titled("created_at", "issued"), titled("blacklisted_at", "blacklisted")


class OutstandingTokenAdmin(RefreshTokenAdmin):
    """Every refresh token that was issued and is not yet purged."""

    list_display = ["shown_owner", ISSUED, "state", "family", "client"]
    list_display_links = [ISSUED]
    list_filter = [EntryByState]
    list_select_related = ["user", "blacklistedtoken"]
    owner = "user"
    search_fields = ["=jti"]
    readonly_fields: ClassVar[list[Any]] = ["shown_owner", ISSUED, "state", "expires_at", *TOKEN, "jti"]
    fields: ClassVar[list[Any]] = readonly_fields
    actions = ["blacklist"]

    @admin.display(description="state")
    def state(self, row: OutstandingToken) -> str:
        """Good, expired, or since when blacklisted."""
        return blacklist.state(row)

    @admin.action(description="Blacklist the selected tokens", permissions=["change"])
    def blacklist(self, request: HttpRequest, queryset: QuerySet[OutstandingToken]) -> None:
        """Blacklists these tokens, and ends the families whose latest token is among them."""
        rows = TokenFamily.objects.filter(jti__in=list(queryset.values_list("jti", flat=True)))
        families, fresh = list(rows.select_related("user")), queryset.filter(blacklistedtoken=None).count()
        ended = sum(FLOW.end(row.user, row.pk, self.reason(request)) for row in families if row.user)
        blacklist.add(queryset.values_list("pk", flat=True))
        if fresh:
            tokens, logins = counted(fresh, "token"), counted(ended, FLOW.name)
            messages.success(request, f"{tokens} blacklisted, {logins} ended.")
        else:
            messages.warning(request, "Nothing was ended: these tokens were blacklisted before.")


class BlacklistedTokenAdmin(RefreshTokenAdmin):
    """The refresh tokens that are no longer good, and since when."""

    list_display = ["shown_owner", BLACKLISTED, "family", "client", "expires"]
    list_display_links = [BLACKLISTED]
    readonly_fields: ClassVar[list[Any]] = ["shown_owner", BLACKLISTED, "expires", *TOKEN]
    fields: ClassVar[list[Any]] = readonly_fields
    list_select_related = ["token__user"]
    owner = "token__user"
    search_fields = ["=token__jti"]

    @admin.display(description="expires")
    def expires(self, row: BlacklistedToken) -> str:
        """When it would have expired."""
        return moment(row.token.expires_at)

"""Django admin for security events and pending revocations, and base classes for other large tables."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import get_user_model
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

from security.client import name_of
from security.models import PendingRevocation, SecurityEvent

COUNTED = 10_000


class CappedPaginator(Paginator):
    """Stops counting at 10 000 rows: a full count reads the complete table, and no user looks at that many pages."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[:COUNTED].count()


class LargeTableAdmin(admin.ModelAdmin):
    """For tables with many rows: no full count, no facets, 50 rows a page, and only the look-ups of `list_filter`."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        # Django allows any look-up on any column. A regular expression over 100 000 rows, or a year that the
        # database does not know, would end in a 5xx.
        field, _, comparison = lookup.partition("__")
        if lookup in [getattr(offered, "parameter_name", None) for offered in self.list_filter]:
            return True
        return field in self.list_filter and comparison in ("exact", "isnull", "gte", "lt")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Django's results, and the results for the normal form of the search terms as e-mail addresses."""
        rows, twice = super().get_search_results(request, queryset, search_term)
        # Domains are stored in ASCII. The `@` in front makes Django normalise a bare `münchen` as a domain.
        normalise = get_user_model().normalize_username
        words = [normalise(f"@{word}").removeprefix("@") for word in search_term.split()]
        if words == search_term.split():
            return rows, twice
        others, twice_there = super().get_search_results(request, queryset, " ".join(words))
        return rows | others, twice or twice_there

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        # Django passes the ids of an action to the database unchecked. An id of the wrong form would be a 500.
        key = self.model._meta.pk
        try:
            for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
                key.to_python(chosen)
        except ValidationError:
            raise SuspiciousOperation("an action on rows with an invalid id") from None
        return super().changelist_view(request, extra_context)


class ActionsAdmin(LargeTableAdmin):
    """For rows that only code writes: administrators can view them and run actions on them, but not edit them.

    `owner` is the look-up from a row to its user. Rows can be searched by that user's login name.
    """

    owner = ""

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        mine = [f"={self.owner}__{get_user_model().USERNAME_FIELD}"] if self.owner else []
        return [*mine, *super().get_search_fields(request)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The actions on a list require the change permission. Without this a read-only account could end sessions.
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def reason(self, request: HttpRequest) -> str:
        """The reason that is stored when this administrator ends a row."""
        return f"ended by administrator {request.user.pk}"


class ByState(admin.SimpleListFilter):
    """Filters for live rows, or for ended and expired ones. `live()` of the model's query set decides which."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "Live"), ("ended", "Ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        live = queryset.model._default_manager.live()
        if self.value() == "live":
            return queryset & live
        return queryset.exclude(pk__in=live.values("pk")) if self.value() == "ended" else queryset


class ByName(admin.SimpleListFilter):
    """Filters by event name. The names come from the code: a query for them would read the whole table."""

    title = "name"
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name.value, str(name.label)) for name in SecurityEvent.Name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(name=self.value()) if self.value() else queryset


@admin.register(SecurityEvent)
class SecurityEventAdmin(LargeTableAdmin):
    """Security events, newest first, read-only."""

    list_display = ["at", "name", "email", "user_key", "address", "browser"]
    list_filter = [ByName, "at"]
    search_fields = ["=email", "=user_key"]
    search_help_text = "An e-mail address, or a user's id, in full"
    ordering = ["-at", "-pk"]

    @admin.display(description="user agent")
    def browser(self, row: SecurityEvent) -> str:
        """Browser and system. The complete user agent would make one row as tall as five."""
        return name_of(row.user_agent)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PendingRevocation)
class PendingRevocationAdmin(ActionsAdmin):
    """Revocations that are not carried out yet. Rows stay here only while a store is away."""

    list_display = ["user_key", "reason", "token_version", "created", "due"]
    ordering = ["pk"]

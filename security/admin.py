"""Django admin for security events and pending revocations, and base classes for other large tables."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, SuspiciousOperation, ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from security import event_words
from security.admin_users import administrators_in, link_to, link_to_rows, users_by_key, with_names
from security.client import name_of
from security.dates import moment
from security.devices import counted
from security.models import PendingRevocation, SecurityEvent
from security.users import user_key

COUNTED = 10_000


def titled(name: str, title: str, boolean: bool = False) -> Any:
    """A column for the field `name` under a title of its own: another `verbose_name` would need a migration.

    A time is a text there, so that it can wrap. Django's columns of times do not, and push others out of sight.
    """

    def column(row: Any) -> Any:
        value = getattr(row, name)
        return moment(value) if isinstance(value, datetime) else value

    column.short_description, column.admin_order_field = title, name  # type: ignore[attr-defined]
    if boolean:
        column.boolean = True  # type: ignore[attr-defined]
    column.__name__ = name
    return column


def titled_filter(kind: type[admin.FieldListFilter], title: str) -> type[admin.FieldListFilter]:
    """A filter of this kind under a title of its own."""

    class Titled(kind):  # type: ignore[valid-type, misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.title = title

    return Titled


class CappedPaginator(Paginator):
    """Stops counting at 10 000 rows: a full count reads the complete table, and no user looks at that many pages."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[:COUNTED].count()


class PreparedChangeList(ChangeList):
    """A page of a list, with what its rows need beside their own columns: see `LargeTableAdmin.prepare`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        title = str(self.opts.verbose_name_plural)
        self.title = f"{title[:1].upper()}{title[1:]}"

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        admin: Any = self.model_admin
        admin.prepare(request, self.result_list)


class LargeTableAdmin(admin.ModelAdmin):
    """For tables with many rows: no full count, no facets, 50 rows a page, and only the look-ups of `list_filter`."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def prepare(self, request: HttpRequest, rows: list[Any]) -> None:
        """Sets on each of these rows what its columns need from other tables, in a fixed number of statements."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return PreparedChangeList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.prepare(request, [row])
        return row

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        # Django allows any look-up on any column. A regular expression over 100 000 rows, or a year that the
        # database does not know, would end in a 5xx.
        field, _, comparison = lookup.partition("__")
        if lookup in [getattr(offered, "parameter_name", None) for offered in self.list_filter]:
            return True
        fields = [offered[0] if isinstance(offered, tuple) else offered for offered in self.list_filter]
        return field in fields and comparison in ("exact", "isnull", "gte", "lt")

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

    `owner` is the look-up from a row to its user. Rows can be searched by that user's login name. `end_button` is an
    action for one live row and the label of its button on the row's page.
    """

    owner = ""
    end_button = ("", "")
    change_form_template = "security/admin_row.html"

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
        return f"ended by administrator {user_key(request.user.pk)}"

    def say_ended(self, request: HttpRequest, number: int, name: str) -> None:
        """The answer of an action that has ended so many logins of this kind."""
        if number:
            messages.success(request, f"{counted(number, name)} ended.")
        else:
            messages.warning(request, f"Nothing was ended: there was no live {name}.")

    def rows_of(self, user: Any) -> tuple[str, str] | None:
        """A link to the logins of this user in this list, with the number of live ones."""
        rows: Any = self.model._default_manager.all()
        if not self.owner or not hasattr(rows, "live"):
            return None
        live = rows.live().filter(**{self.owner: user}).count()
        return link_to_rows(self, str(user.get_username()), f"{live} live")

    def prepare(self, request: HttpRequest, rows: list[Any]) -> None:
        """Sets `row.shown_owner`, and names the administrators in `row.reason`."""
        reasons = {row.pk: getattr(row, "reason", "") for row in rows}
        users = users_by_key(key for reason in reasons.values() for key in administrators_in(reason))
        for row in rows:
            row.reason = with_names(reasons[row.pk], users)
            owner = self.owner_of(row)
            row.shown_owner = link_to(self.admin_site, request, owner) if owner else "deleted"

    def owner_of(self, row: Any) -> Any:
        """The user of this row, `None` if deleted."""
        try:
            for name in filter(None, self.owner.split("__")):
                row = getattr(row, name)
        except ObjectDoesNotExist:
            return None  # logins stay when their user is deleted
        return row

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page of one row. While it is live, with a button that ends it."""
        action, label = self.end_button
        row = self.get_object(request, unquote(object_id)) if action and self.has_change_permission(request) else None
        if row is not None and row.state() == "live":
            page = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            extra_context = {**(extra_context or {}), "end_action": action, "end_label": label, "end_page": page}
        return super().change_view(request, object_id, form_url, extra_context)

    @admin.display(description="user")
    def shown_owner(self, row: Any) -> SafeString | str:
        """Whose it is."""
        owner: SafeString | str = row.shown_owner
        return owner

    @admin.display(description="client")
    def client(self, row: Any) -> str:
        """Browser and system, and the address. The complete user agent would need several lines."""
        return ", ".join(filter(None, [name_of(row.user_agent), row.address]))


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
    """Filters by what happened. The names come from the code: a query for them would read the whole table."""

    title = "event"
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name.value, str(name.label)) for name in SecurityEvent.Name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(name=self.value()) if self.value() else queryset


TIME = titled("at", "time")
STORED: list[Any] = ["name", "user_key", "email", "address", "user_agent", "detail"]


@admin.register(SecurityEvent)
class SecurityEventAdmin(LargeTableAdmin):
    """Security events, newest first, read-only."""

    list_display = [TIME, "event", "user", "client"]
    list_filter = [ByName, ("at", titled_filter(admin.DateFieldListFilter, "time"))]
    search_fields = ["=email", "=user_key"]
    search_help_text = "An e-mail address, or a user's id, in full"
    ordering = ["-at", "-pk"]
    readonly_fields = [TIME, "event", "user", "client"]
    fieldsets = [
        (None, {"fields": [TIME, "event", "user", "client"]}),
        ("As it is stored", {"classes": ["collapse"], "fields": STORED}),
    ]

    def prepare(self, request: HttpRequest, rows: list[Any]) -> None:
        """Sets `row.shown_event` and `row.shown_user`."""
        users = users_by_key(key for row in rows for key in event_words.keys_in(row))
        for row in rows:
            row.shown_event = event_words.in_words(row, users)
            user = users.get(row.user_key)
            row.shown_user = link_to(self.admin_site, request, user) if user else row.email

    def rows_of(self, user: Any) -> tuple[str, str]:
        """A link to the events about this user, with their number."""
        key = user_key(user.pk)
        number = SecurityEvent.objects.filter(user_key=key).order_by()[:COUNTED].count()
        return link_to_rows(self, key, f"{number}" if number < COUNTED else f"{number} or more")

    @admin.display(description="event")
    def event(self, row: Any) -> str:
        """What happened, which administrator did it, and the reason."""
        return str(row.shown_event)

    @admin.display(description="user")
    def user(self, row: Any) -> SafeString | str:
        """The user that the event is about. If the user was deleted, the e-mail address of that time."""
        shown: SafeString | str = row.shown_user
        return shown

    @admin.display(description="client")
    def client(self, row: SecurityEvent) -> str:
        """Browser and system, and the address. Empty for what the server did by itself."""
        return ", ".join(filter(None, [row.user_agent and name_of(row.user_agent), row.address]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PendingRevocation)
class PendingRevocationAdmin(ActionsAdmin):
    """Revocations that are not carried out yet. Rows stay here only while a store is away."""

    list_display = ["created", "shown_owner", "reason", titled("due", "next attempt")]
    ordering = ["pk"]

    def prepare(self, request: HttpRequest, rows: list[Any]) -> None:
        users = users_by_key(row.user_key for row in rows)
        for row in rows:
            row.owner = users.get(row.user_key)
        super().prepare(request, rows)

    def owner_of(self, row: Any) -> Any:
        return row.owner

"""Notes in Django's admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from notes.models import Note
from security.admin import LargeTableAdmin


@admin.register(Note)
class NoteAdmin(LargeTableAdmin):
    """Notes can be read and deleted. Without the right to delete them, a user with notes could not be deleted."""

    list_display = ["text", "owner", "created"]
    list_select_related = ["owner"]
    search_fields = ["text"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

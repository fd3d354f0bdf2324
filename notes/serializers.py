"""A note as JSON."""

from rest_framework import serializers

from notes.models import Note
from security.serializers import Text


class NoteSerializer(serializers.ModelSerializer):
    """A note. Its owner is always the user who asks, so no body can name one."""

    text = Text(max_length=Note._meta.get_field("text").max_length)

    class Meta:
        model = Note
        fields = ["id", "text", "created"]
        read_only_fields = ["created"]

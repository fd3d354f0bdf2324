"""Notes as JSON: one view, for a session and for a token."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.serializers import BaseSerializer

from jwt_demo.authentication import JWTAuthentication
from notes.models import Note
from notes.serializers import NoteSerializer
from security.views import JsonView
from sessions_demo.authentication import SessionAuthentication


@extend_schema_view(
    create=extend_schema(description="Writes a note of the user who asks."),
    retrieve=extend_schema(description="One note of the user who asks."),
    update=extend_schema(description="Replaces a note."),
    partial_update=extend_schema(description="Changes parts of a note."),
    destroy=extend_schema(description="Deletes a note."),
)
# With `JsonView` its errors have the same form as the other errors of this site.
class NoteViewSet(JsonView, viewsets.ModelViewSet):
    """The notes of the user who asks. A note of another user is a 404 here."""

    authentication_classes = [JWTAuthentication, SessionAuthentication]
    permission_classes = [IsAuthenticated]
    serializer_class = NoteSerializer
    queryset = Note.objects.all()

    def get_queryset(self) -> QuerySet[Note]:
        return super().get_queryset().filter(owner=self.request.user)

    def perform_create(self, serializer: BaseSerializer) -> None:
        serializer.save(owner=self.request.user)

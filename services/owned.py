"""A view of what a user owns in a service: rows that name the user by the key that the site has."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.generics import ListCreateAPIView
from rest_framework.request import Request
from rest_framework.response import Response


class OwnRows(ListCreateAPIView):
    """Lists and takes rows of the user who asks; DELETE removes them. `plural` is their name in the list."""

    plural: str

    def get_queryset(self) -> QuerySet[Any]:
        return self.serializer_class.Meta.model.objects.filter(user=self.request.user.pk)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Says also for whom, so that a reader sees whose identity arrived."""
        rows = self.get_serializer(self.get_queryset(), many=True).data
        return Response({"userId": request.user.pk, "role": request.user.role, self.plural: rows})

    def perform_create(self, serializer: Any) -> None:
        serializer.save(user=self.request.user.pk)

    def delete(self, request: Request) -> Response:
        """Removes all of the user's rows."""
        self.get_queryset().delete()
        return Response(status=204)

"""A view of the rows that belong to one user. Each row holds the site's primary key of its user."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.generics import ListCreateAPIView
from rest_framework.request import Request
from rest_framework.response import Response


class OwnRows(ListCreateAPIView):
    """GET lists the rows of the user, POST adds one, DELETE removes all. `plural` is the name of the list in JSON."""

    plural: str

    def get_queryset(self) -> QuerySet[Any]:
        return self.serializer_class.Meta.model.objects.filter(user=self.request.user.pk)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Includes the user's id and role, so that a reader sees which identity arrived."""
        rows = self.get_serializer(self.get_queryset(), many=True).data
        return Response({"userId": request.user.pk, "role": request.user.role, self.plural: rows})

    def perform_create(self, serializer: Any) -> None:
        serializer.save(user=self.request.user.pk)

    def delete(self, request: Request) -> Response:
        """Removes all of the user's rows."""
        self.get_queryset().delete()
        return Response(status=204)

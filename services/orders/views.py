"""A user's own orders."""

from rest_framework.serializers import ModelSerializer

from services.orders.models import Order
from services.owned import OwnRows


class OrderSerializer(ModelSerializer):
    """An order, without its user: only that user can read it."""

    class Meta:
        model = Order
        fields = ["id", "article", "at"]


class Orders(OwnRows):
    """The orders of the user who sends the request."""

    serializer_class, plural = OrderSerializer, "orders"

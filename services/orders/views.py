"""A user's own orders."""

from rest_framework.serializers import ModelSerializer

from services.orders.models import Order
from services.owned import OwnRows


class OrderSerializer(ModelSerializer):
    """An order, without the user, who is the one that asks."""

    class Meta:
        model = Order
        fields = ["id", "article", "at"]


class Orders(OwnRows):
    """Those of the user who asks."""

    serializer_class, plural = OrderSerializer, "orders"

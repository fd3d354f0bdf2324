"""A user's own payments, the total for an administrator, and the prices for everybody."""

from django.db.models import Sum
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView

from services.authentication import HeadersAuthentication
from services.billing.models import Payment
from services.owned import OwnRows

PRICES = {"book": 1200, "lamp": 4900}


class PaymentSerializer(ModelSerializer):
    """A payment, without the user, who is the one that asks."""

    class Meta:
        model = Payment
        fields = ["id", "cents", "at"]


class Payments(OwnRows):
    """Those of the user who asks."""

    serializer_class, plural = PaymentSerializer, "payments"


class IsAdmin(IsAuthenticated):
    """The role `admin`, as the identity says it."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and request.user.role == "admin"


class Total(APIView):
    """What all users have paid together: for the role `admin`."""

    permission_classes = [IsAdmin]

    def get(self, request: Request) -> Response:
        """The sum, in cents."""
        return Response({"cents": Payment.objects.aggregate(sum=Sum("cents"))["sum"] or 0})


class Believed(APIView):
    """Whom a service would take for the user that believes the headers alone. It gives nothing of anybody."""

    authentication_classes = [HeadersAuthentication]

    def get(self, request: Request) -> Response:
        """The identity that the headers claim."""
        return Response({"userId": request.user.pk, "role": request.user.role})


class Prices(APIView):
    """Open to everybody; says who asks, if anybody is known to."""

    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        """The prices, in cents."""
        return Response({"userId": request.user.pk if request.user else None, "prices": PRICES})

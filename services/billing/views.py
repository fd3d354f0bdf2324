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
    """A payment, without its user: only that user can read it."""

    class Meta:
        model = Payment
        fields = ["id", "cents", "at"]


class Payments(OwnRows):
    """The payments of the user who sends the request."""

    serializer_class, plural = PaymentSerializer, "payments"


class IsAdmin(IsAuthenticated):
    """Allows users whose identity has the role `admin`."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and request.user.role == "admin"


class Total(APIView):
    """What all users together have paid. For the role `admin` only."""

    permission_classes = [IsAdmin]

    def get(self, request: Request) -> Response:
        """The sum, in cents."""
        return Response({"cents": Payment.objects.aggregate(sum=Sum("cents"))["sum"] or 0})


class Believed(APIView):
    """The user that a service would see if it trusted the two headers alone. It returns no stored data."""

    authentication_classes = [HeadersAuthentication]

    def get(self, request: Request) -> Response:
        """The identity that the headers claim."""
        return Response({"userId": request.user.pk, "role": request.user.role})


class Prices(APIView):
    """Open to everybody. The answer names the user, if the request has an identity."""

    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        """The prices, in cents."""
        return Response({"userId": request.user.pk if request.user else None, "prices": PRICES})

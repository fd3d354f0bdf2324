"""Access tokens with the user's role, so that a view can answer without the user's row."""

from typing import Any

from rest_framework_simplejwt.serializers import TokenObtainPairSerializer

from benchmarks.stock.users import role_of


class LoginSerializer(TokenObtainPairSerializer):
    """SimpleJWT's, with a claim added as its documentation says ("Customizing token claims")."""

    @classmethod
    def get_token(cls, user: Any) -> Any:
        token = super().get_token(user)
        token["role"] = role_of(user)
        return token

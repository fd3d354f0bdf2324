"""The addresses of `auth`. The gateway writes the first two, with the name of the service it is about to ask."""

from django.urls import path

from jwt_demo.views import key_set
from services.auth.views import SessionCheck, TokenCheck

urlpatterns = [
    path("check/session/<service>", SessionCheck.as_view()),
    path("check/token/<service>", TokenCheck.as_view()),
    # The site's public keys, for services that verify access tokens themselves.
    path(".well-known/jwks.json", key_set),
]

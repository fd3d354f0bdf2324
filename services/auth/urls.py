"""The addresses of `auth`. The gateway asks the first two, with the name of the service that the request is for."""

from django.urls import path

from jwt_demo.views import key_set
from services.auth.views import SessionCheck, TokenCheck

urlpatterns = [
    path("check/session/<service>", SessionCheck.as_view()),
    path("check/token/<service>", TokenCheck.as_view()),
    # For services that verify the site's access tokens themselves.
    path(".well-known/jwks.json", key_set),
]

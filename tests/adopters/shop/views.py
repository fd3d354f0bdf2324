"""A project's views before it takes a part: a page, a page for users, and an API with its own settings."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.views import exception_handler as stock


def home(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/home.html")


@login_required
def private(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/home.html")


class Echo(APIView):
    """Returns the data of the request, in any format."""

    def get(self, request: Request) -> Response:
        return Response({"user": request.user.get_username()})

    def post(self, request: Request) -> Response:
        return Response({"sent": dict(request.data.items())}, 201)


def exception_handler(error: Exception, context: dict[str, object]) -> Response | None:
    """Errors in the project's own words."""
    response = stock(error, context)
    if response is not None:
        response.data = {"shop says": response.data}
    return response

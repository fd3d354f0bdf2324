"""An empty page, at whatever host: where a script of a case starts from."""

from django.http import HttpRequest, HttpResponse

from attack_range.weak import looks


def page(request: HttpRequest) -> HttpResponse:
    """A page that says what it is for, so that a person who opens it does not take it for broken."""
    return looks.page(f"An empty page of {request.get_host()}", looks.text("An empty page, for the console."))

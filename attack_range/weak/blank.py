"""An empty page at each host, where a case or a person can run scripts."""

from django.http import HttpRequest, HttpResponse

from attack_range.weak import looks


def page(request: HttpRequest) -> HttpResponse:
    """The page. It says that it is empty, so that a person does not think it is broken."""
    return looks.page(f"An empty page of {request.get_host()}", looks.text("This page is empty. Use its console."))

"""The same notes as a page, for a browser with a session."""

from typing import Any

from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse_lazy
from django.views.generic import CreateView

from notes.models import Note
from sessions_demo.pages import SessionPage


class NoteForm(ModelForm):
    """The text of a note. The owner is not a field: it is always the user who sends the form."""

    class Meta:
        model = Note
        fields = ["text"]
        labels = {"text": "A new note"}


class Notes(SessionPage, CreateView):
    """The user's notes, and a form for another one."""

    http_method_names = ["get", "post", "head", "options"]  # CreateView takes PUT for POST
    template_name = "notes/notes.html"
    form_class = NoteForm
    success_url = reverse_lazy("notes:page")

    def form_valid(self, form: ModelForm) -> HttpResponse:
        form.instance.owner = self.request.user
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(own_notes=Note.objects.filter(owner=self.request.user.pk), **kwargs)


class Delete(SessionPage):
    """Deletes one note of the user."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        # If the session was over when the user pressed the button, the login page leads here.
        return redirect("notes:page")

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        get_object_or_404(Note, pk=pk, owner=request.user).delete()
        return redirect("notes:page")

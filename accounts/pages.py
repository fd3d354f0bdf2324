"""The pages about a user's account. Those marked with `open_page` need no login."""

from typing import Any

from django.conf import settings
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import INTERNAL_RESET_SESSION_TOKEN
from django.core import signing
from django.core.exceptions import BadRequest
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView, ListView, TemplateView

from accounts import mail
from accounts.forms import PasswordChangeForm, PasswordResetForm, RegisterForm
from accounts.models import DemoMail, User
from security import events, passwords
from security.client import Client
from security.models import SecurityEvent

open_page = method_decorator([login_not_required, never_cache], name="dispatch")
# Without PUT, which FormView handles as POST.
METHODS = ["get", "post", "head", "options"]


@open_page
class Register(FormView):
    """Step one: name and address. The answer is the same whether the address is taken or not (ASVS 6.3.8)."""

    http_method_names = METHODS
    template_name = "accounts/register.html"
    form_class = RegisterForm
    success_url = reverse_lazy("accounts:register_sent")

    def form_valid(self, form: RegisterForm) -> HttpResponse:
        form.save(self.request)
        return super().form_valid(form)


@open_page
class RegisterConfirm(FormView):
    """Step two: the user opens the link in the mail and sets the password. Only this creates the account."""

    http_method_names = METHODS
    template_name = "accounts/register_confirm.html"
    form_class = SetPasswordForm
    success_url = reverse_lazy("accounts:register_done")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            who = signing.loads(kwargs["token"], salt=mail.REGISTRATION_SALT, max_age=settings.REGISTRATION_TIMEOUT)
        except signing.BadSignature:
            return link_is_dead(request)
        self.user = User(email=who["email"], name=who["name"])
        if User.objects.filter(email=self.user.email).exists():
            return link_is_dead(request)
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"user": self.user}

    def form_valid(self, form: SetPasswordForm) -> HttpResponse:
        user = form.save(commit=False)
        try:
            with transaction.atomic():
                user.save()
                events.record(SecurityEvent.Name.USER_CREATED, user, Client.of(self.request))
        except IntegrityError:
            return link_is_dead(self.request)
        return super().form_valid(form)


def link_is_dead(request: HttpRequest) -> HttpResponse:
    """410 for a link that was used, is too old, or does not come from this site. The page does not say which."""
    return render(request, "accounts/link_dead.html", status=410)


@method_decorator(never_cache, name="dispatch")
class PasswordChange(auth.PasswordChangeView):
    """A new password, for a user who knows the current one (ASVS 6.2.3). This session is kept, with a new id."""

    http_method_names = METHODS
    template_name = "accounts/password_change.html"
    form_class = PasswordChangeForm
    success_url = reverse_lazy("accounts:password_change_done")

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:  # type: ignore[override]
        user = form.save(commit=False)
        passwords.replace(user, Client.of(self.request), keep=self.request.session)
        return HttpResponseRedirect(self.get_success_url())


@open_page
class PasswordReset(auth.PasswordResetView):
    """Asks for the address to which the link is sent."""

    http_method_names = METHODS
    template_name = "accounts/password_reset.html"
    form_class = PasswordResetForm
    success_url = reverse_lazy("accounts:password_reset_sent")


@open_page
class PasswordResetConfirm(auth.PasswordResetConfirmView):
    """The page that the link opens. Django moves the token from the address into the session."""

    http_method_names = METHODS
    template_name = "accounts/password_reset_confirm.html"
    success_url = reverse_lazy("accounts:password_reset_done")

    def form_valid(self, form: SetPasswordForm) -> HttpResponse:
        user = form.save(commit=False)
        passwords.replace(user, Client.of(self.request), by_mail=True)
        del self.request.session[INTERNAL_RESET_SESSION_TOKEN]
        if not self.request.user.is_authenticated:
            self.request.session.flush()
        return HttpResponseRedirect(self.get_success_url())


@open_page
class DemoMailbox(ListView):
    """The mails that would have been sent, which everyone can read. 404 outside the demo."""

    template_name = "accounts/mail.html"
    http_method_names = METHODS
    paginate_by = 20
    model = DemoMail

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.DEMO:
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        mails = list(context["object_list"])
        return context | {"object_list": mails, "newest": mails[0].pk if mails else 0}

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        # static/mailbox.js asks by HEAD whether there is another mail by now.
        return super().render_to_response(context, headers={"X-Newest-Mail": context["newest"]}, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponse:
        """Deletes all mails. Raises `BadRequest` for a form that is not the page's own."""
        if request.POST.get("delete") != "all":
            raise BadRequest("the form of the mailbox sends “delete”")
        DemoMail.objects.all().delete()
        return HttpResponseRedirect(reverse("accounts:mail") + "?cleared")


@open_page
class Notice(TemplateView):
    """A page that only says what has happened and what comes next."""

"""The session flow as pages that need no JavaScript. They call the same functions of `lifecycle` as `views`."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import RedirectURLMixin
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.generic import FormView, TemplateView

from security.backends import InvalidCredentials, verify
from security.client import name_of
from security.devices import BY_OWNER
from security.outages import DATABASE_OUTAGES
from security.passwords import MAXIMUM_LENGTH
from security.revocation import revoke_access
from security.users import current_users, login_field, profile, role_of
from security.views import CLEAR
from sessions_demo import lifecycle, store
from sessions_demo.flow import FLOW
from sessions_demo.models import DeviceSession
from sessions_demo.record import ABSOLUTE_END, DEVICE, IDLE_END, REAUTHENTICATED, REMEMBER, ROLE, SEEN

LABELS = {"email": ("E-mail address", forms.EmailInput), "username": ("User name", forms.TextInput)}


class LoginForm(forms.Form):
    """The password, and the name that users log in by, in the field that `login_field` names."""

    password = forms.CharField(
        max_length=MAXIMUM_LENGTH,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )
    remember = forms.BooleanField(label="Remember me on this device", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.who = login_field()
        label, widget = LABELS[self.who]
        field = forms.CharField(
            label=label, max_length=254, widget=widget({"autocomplete": "username", "autofocus": True})
        )
        self.fields = {self.who: field, **self.fields}


@method_decorator([login_not_required, never_cache], name="dispatch")
class Login(RedirectURLMixin, FormView):
    """Logs the user in, then redirects to the page that the user wanted."""

    http_method_names = ["get", "post", "head", "options"]  # FormView takes PUT for POST
    template_name = "sessions_demo/login.html"
    form_class = LoginForm
    next_page = "session:profile_page"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        readable = not (settings.CSRF_COOKIE_HTTPONLY or settings.CSRF_USE_SESSIONS)
        return super().get_context_data(csrf_cookie=readable and settings.CSRF_COOKIE_NAME, **kwargs)

    def form_valid(self, form: LoginForm) -> HttpResponse:
        try:
            user = verify(self.request, form.cleaned_data[form.who], form.cleaned_data["password"])
            lifecycle.start(self.request, user, form.cleaned_data["remember"])
        except InvalidCredentials:
            # A sentence that says which half is wrong, or that the account is closed, helps an attacker (ASVS 6.3.8).
            form.add_error(None, f"This {LABELS[form.who][0].lower()} and password do not belong together.")
            return self.render_to_response(self.get_context_data(form=form), status=401)
        return HttpResponseRedirect(self.get_success_url())


def login_again(request: HttpRequest) -> HttpResponse | None:
    """The answer to a login form that is older than the last login or logout; `None` for every other page.

    If the browser is logged in by now, for example because the form was sent twice, this is a redirect to the page that
    the user wanted. Otherwise it is the form again, with a valid CSRF token and status 403.
    """
    if not request.resolver_match or getattr(request.resolver_match.func, "view_class", None) is not Login:
        return None
    view = Login()
    view.setup(request)
    if request.user.is_authenticated:
        return HttpResponseRedirect(view.get_success_url())
    form = LoginForm(initial={name: request.POST.get(name) for name in (login_field(), "remember")})
    response = view.render_to_response(view.get_context_data(form=form, outdated=True), status=403)
    add_never_cache_headers(response)
    return response


class SessionPage(LoginRequiredMixin, View):
    """A page for logged-in users. Redirects to this app's login page, whatever the project's `LOGIN_URL` is."""

    login_url = "session:login_page"

    def handle_no_permission(self) -> HttpResponseRedirect:
        return say_why(self.request, super().handle_no_permission())


def say_why(request: HttpRequest, redirect: HttpResponseRedirect) -> HttpResponseRedirect:
    """Adds to `redirect`, which leads to the login page, why the user's session is over. The login page says it."""
    if reason := end_reason(request):
        redirect["Location"] += "&" + urlencode({"over": reason})
    return redirect


def end_reason(request: HttpRequest) -> str:
    """Why the session of the cookie is over: "owner", "revoked", "expired" or "lost".

    "" without a cookie, for an id that is in no row, and while the database is away.
    """
    cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not cookie:
        return ""
    with suppress(*DATABASE_OUTAGES):
        row = DeviceSession.objects.filter(digest=store.digest(cookie)).first()
        if row is None:
            return ""
        if row.reason == "expired" or row.state() == "expired":
            return "expired"
        # After a revocation, an outage can have kept the row from being marked. If the user's access was not revoked,
        # Redis has lost the record.
        if row.ended is None and current_users(row.user_id, row.token_version).exists():
            return "lost"
        return "owner" if row.reason in BY_OWNER else "revoked"
    return ""


class Profile(SessionPage, TemplateView):
    """Shows the user, from the database, and the session's record."""

    template_name = "sessions_demo/profile.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        record = self.request.session
        moments = {"reauthenticated": REAUTHENTICATED, "seen": SEEN, "idle_end": IDLE_END, "absolute_end": ABSOLUTE_END}
        session = {name: datetime.fromtimestamp(record[key], UTC) for name, key in moments.items()}
        session |= {"role": record[ROLE], "remember": record[REMEMBER]}
        return super().get_context_data(session=session, profile=profile(self.request.user), **kwargs)


class Staff(SessionPage, TemplateView):
    """Only users with the role `admin` may see this page."""

    template_name = "sessions_demo/staff.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        role = role_of(request.user)
        if role != "admin":
            raise PermissionDenied
        return super().get(request, *args, role=role, **kwargs)


class Devices(SessionPage):
    """Lists the user's sessions. POST `end=<id>` ends one of them, POST `others` ends all but this one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        current = request.session[DEVICE]
        devices = sorted(FLOW.list(request.user.pk), key=lambda device: str(device.id) != current)
        others = [device for device in devices if str(device.id) != current]
        shown = {"devices": devices, "others": others, "current": current, "ended": ended_name(request)}
        return render(request, "sessions_demo/devices.html", shown)

    def post(self, request: HttpRequest) -> HttpResponse:
        current, chosen = request.session[DEVICE], "others"
        if "others" in request.POST:
            FLOW.end_others(request.user, current, "ended by its owner")
        elif (chosen := request.POST.get("end", "")) == current:
            return _leave(request, "ended by its owner")
        else:
            FLOW.end(request.user, _uuid(chosen), "ended by its owner")
        return redirect(f"{reverse('session:devices_page')}?{urlencode({'ended': chosen})}")


def ended_name(request: HttpRequest) -> str:
    """The name of the session whose id is in `?ended=`; "" unless it is a session of this user and has ended."""
    with suppress(BadRequest):
        # The name comes from the row: a text from the address could say anything.
        user: Any = request.user
        mine = DeviceSession.objects.filter(user=user, ended__isnull=False)
        row = mine.filter(pk=_uuid(request.GET.get("ended", ""))).first()
        return name_of(row.user_agent) if row else ""
    return ""


@method_decorator(login_not_required, name="dispatch")
class Logout(View):
    """Ends this session. POST only: with GET, an image on another site's page could log the user out."""

    def post(self, request: HttpRequest) -> HttpResponse:
        return _leave(request, "logged out")


class LogoutEverywhere(SessionPage):
    """Ends all sessions and tokens of the user."""

    def get(self, request: HttpRequest) -> HttpResponse:
        # If the session is over when the user presses the button, the login page redirects here afterwards.
        return redirect("session:devices_page")

    def post(self, request: HttpRequest) -> HttpResponse:
        revoke_access(request.user, "logged out everywhere")
        return _leave(request, "logged out everywhere")


def _leave(request: HttpRequest, reason: str) -> HttpResponse:
    lifecycle.end(request, reason)
    if request.META[lifecycle.ENDED]:
        # Chromium keeps even a `no-store` page for the Back button until a cookie is set; deleting one does not count.
        # `Clear-Site-Data` comes too early: the page that the user leaves is not in that cache yet.
        rotate_token(request)
    page = render_to_string("sessions_demo/logged_out.html", {"reason": reason}, request)
    return HttpResponse(page, headers=CLEAR)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest("not a device") from None

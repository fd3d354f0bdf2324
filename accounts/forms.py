"""The forms of this app. Each names its fields, and ignores any other field that is sent."""

from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm as DjangoPasswordChangeForm
from django.contrib.auth.forms import PasswordResetForm as DjangoPasswordResetForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from accounts import mail
from accounts.email import AddressField, validate_visible
from accounts.models import User
from security import throttle
from security.backends import InvalidCredentials, verify
from security.client import Client


class RegisterForm(forms.Form):
    """The name and address of a new account.

    The password is set after the link in the mail is opened. Otherwise an attacker could prepare an account with the
    address of another person and a password that the attacker knows.
    """

    email = AddressField(label="E-mail address", max_length=254, widget=forms.EmailInput({"autocomplete": "username"}))
    name = forms.CharField(
        label="Name",
        max_length=150,
        widget=forms.TextInput({"autocomplete": "name"}),
        validators=[validate_visible],
    )

    def save(self, request: HttpRequest) -> None:
        """Queues the mail, in the same way for a known address. Raises `Throttled`."""
        email = self.cleaned_data["email"]
        throttle.attempt(throttle.mail_limits("register", email, Client.of(request)))
        mail.queue("register", email, name=self.cleaned_data["name"])


class PasswordResetForm(DjangoPasswordResetForm):
    """Django's form, but only housekeeping looks whether the address is known."""

    email = AddressField(label="E-mail address", max_length=254, widget=forms.EmailInput({"autocomplete": "username"}))

    def save(self, *, request: HttpRequest | None = None, **options: Any) -> None:  # type: ignore[override]
        """Queues the mail. Raises `Throttled`."""
        email = self.cleaned_data["email"]
        throttle.attempt(throttle.mail_limits("password_reset", email, Client.of(request)))
        mail.queue("password_reset", email)


class PasswordChangeForm(DjangoPasswordChangeForm):
    """Django's form, but `verify()` checks the current password, so that the throttle counts failures.

    `request` is the request of the page.
    """

    def __init__(self, user: User, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        """The current password. Raises `ValidationError` or `Throttled`."""
        current: str = self.cleaned_data["old_password"]
        try:
            verify(self.request, self.user.email, current)
        except InvalidCredentials:
            raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect") from None
        return current

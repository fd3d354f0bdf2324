"""A login form for Django's admin that says how long a throttled user must wait."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm

from security.backends import throttled_is_raised


class ThrottledAuthenticationForm(AdminAuthenticationForm):
    """Set it as `admin.site.login_form`. Without it the admin calls a throttled attempt a wrong password."""

    def clean(self) -> Any:
        """Raises `Throttled`, for the project to answer with 429."""
        with throttled_is_raised():
            return super().clean()

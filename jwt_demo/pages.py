"""The one page of the token flow. Its script uses the JSON endpoints."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.utils.decorators import method_decorator
from django.views.generic import TemplateView

from security.users import login_field


@method_decorator(login_not_required, name="dispatch")
class ClientPage(TemplateView):
    """A client that keeps its access token in memory."""

    template_name = "jwt_demo/client.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        rules = password_validators_help_text_html()
        return super().get_context_data(login_field=login_field(), password_rules=rules, **kwargs)

"""Each access reads the setting anew: the project's value, or the default without one."""

import pytest
from django.conf import settings as project_settings
from pytest_django import Settings

from security.conf import Conf, setting

CONF = Conf(A_NEW_SETTING="default", TRUSTED_PROXIES=7)


def test_the_default_holds_until_the_project_sets_it(settings: Settings) -> None:
    assert CONF.A_NEW_SETTING == "default"
    settings.A_NEW_SETTING = "set"
    assert CONF.A_NEW_SETTING == "set"
    del settings.A_NEW_SETTING
    assert CONF.A_NEW_SETTING == "default"


def test_a_change_that_django_sends_no_signal_about_is_seen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CONF.TRUSTED_PROXIES == project_settings.TRUSTED_PROXIES
    monkeypatch.setattr(project_settings, "TRUSTED_PROXIES", 3)
    assert CONF.TRUSTED_PROXIES == 3
    monkeypatch.setattr(project_settings, "A_NEW_SETTING", 1, raising=False)
    assert setting("A_NEW_SETTING", 0) == 1


def test_a_name_that_is_no_setting_of_the_app_is_a_mistake_of_the_code() -> None:
    with pytest.raises(AttributeError, match="There is no setting ALLOWED_HOSTS here"):
        CONF.ALLOWED_HOSTS  # noqa: B018

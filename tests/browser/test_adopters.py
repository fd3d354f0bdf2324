"""The pages of the parts in another project: a user who logs in by a name, and no template of ours around them."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.adopters.host import Host

pytestmark = [pytest.mark.exhaustive, pytest.mark.browser]
PASSWORD = "correct horse battery"
STATIC = """
STORAGES = {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}}
MIDDLEWARE.insert(0, "whitenoise.middleware.WhiteNoiseMiddleware")
STATIC_ROOT = BASE_DIR / "static"
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as host:
        host.store.start()
        host.take("Take a part: sessions", "security", "sessions_demo")
        host.take("Take a part: tokens", "security", "jwt_demo")
        host.shell(f"User.objects.create_user('alice', password='{PASSWORD}')")
        host.type(host.settings, STATIC)
        host.manage("collectstatic", "--no-input")
        host.start()
        yield host


# What Chromium asks a project for that has no icon.
ICON = ("favicon.ico",)


def test_a_user_logs_in_and_out_by_a_session(visit: Callable[..., Page], host: Host) -> None:
    page = visit(refusals=ICON)
    page.goto(f"http://localhost:{host.port}/session/profile/")
    page.get_by_label("User name").fill("alice")
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("alice")
    page.get_by_role("link", name="All your devices").click()
    expect(page.get_by_text("this device")).to_be_visible()
    page.goto(f"http://localhost:{host.port}/session/profile/")
    page.get_by_role("button", name="Log out here").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")


def test_a_user_logs_in_and_out_by_a_token(visit: Callable[..., Page], host: Host) -> None:
    page = visit(refusals=(*ICON, "/jwt/auth/login"))
    page.goto(f"http://localhost:{host.port}/jwt/")
    page.get_by_label("User name").fill("alice")
    page.get_by_role("textbox", name="Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("This user name and password do not belong together.")
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("alice")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("alice")
    page.get_by_role("button", name="Log out here").click()
    expect(page.get_by_label("User name")).to_be_visible()

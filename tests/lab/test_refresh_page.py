"""Two clients with one refresh token: which of them is logged out, in each order and with each grace period."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts import mail
from accounts.models import OutgoingMail, User
from lab.claims.sandbox import open_sandbox
from lab.experiments import rotation
from lab.experiments.rotation import GRACE_PERIODS, SCENES
from tests.conftest import Browser

PAGE = "/lab/refresh/"
ENDS = {
    ("thief-first", 10): set(),
    ("thief-first", 0): set(),
    ("owner-first", 10): set(),
    ("owner-first", 0): set(),
    ("lost-response", 10): {"laptop", "phone"},
    ("lost-response", 0): {"phone"},
    ("two-tabs", 10): {"laptop", "phone"},
    ("two-tabs", 0): {"phone"},
}


@pytest.mark.usefixtures("file_database")
@pytest.mark.parametrize(("scene", "grace_period"), ENDS)
def test_each_scene_ends_as_it_must(scene: str, grace_period: int) -> None:
    with open_sandbox() as sandbox:
        played = rotation.play_scene(sandbox, scene, grace_period)
        # The alarm is shown only if all logins end. If one login ends, the note says that its retry came too late.
        assert any(step.alarm for step in played.steps) == (ENDS[scene, grace_period] == set())
        late = [step.note for step in played.steps if step.late]
        assert late == (
            ["Too late for a retry: this login ends; the phone's stays."] * (ENDS[scene, grace_period] == {"phone"})
        )
        assert [step.number for step in played.steps] == [*range(1, len(SCENES[scene].moves) + 1)]
        assert {each["who"] for each in rotation.logins_at_the_end(played) if each["in"]} == ENDS[scene, grace_period]
    assert not User.objects.exists()


def test_no_mail_about_a_scene_is_handed_over(db: None, mailbox: Callable[[str], list[Any]]) -> None:
    with open_sandbox() as sandbox:
        person = sandbox.person()
        mail.queue("token_reuse", person.email)
        assert mailbox(person.email) == []
        assert OutgoingMail.objects.filter(to=person.email).exists()
    assert not OutgoingMail.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_page_plays_a_scene_and_each_step_has_an_address(browser: Browser) -> None:
    page = browser.submit(PAGE, {"scene": "owner-first", "grace_period": "0"}).content.decode()
    assert "Token reuse detected" in page
    assert "Alarm: every login of this user ends." in page
    assert 'href="?scene=owner-first&amp;grace_period=0#step-3"' in page
    assert 'id="step-3"' in page
    assert not User.objects.exists()


def test_the_address_of_a_scene_shows_it_and_plays_nothing(db: None, browser: Browser) -> None:
    page = browser.get(PAGE, {"scene": "lost-response", "grace_period": "0"}).content.decode()
    assert SCENES["lost-response"].moves[0].description in page
    assert "Token reuse detected" not in page
    for fields in ({"scene": "none"}, {"grace_period": "11"}, {"grace_period": "x"}):
        assert browser.get(PAGE, fields).status_code == 404
        assert browser.submit(PAGE, fields).status_code == 400
    assert GRACE_PERIODS == (10, 0)

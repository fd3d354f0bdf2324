import pytest

from accounts import demo
from accounts.models import User
from tests.conftest import Browser


def test_a_second_start_adds_nobody_and_resets_no_password(db: None) -> None:
    demo.ensure_users()
    alice = User.objects.get(email="alice@example.com")
    alice.set_password("her own choice")
    alice.save()
    demo.ensure_users()
    assert User.objects.count() == len(demo.USERS) == 3
    alice.refresh_from_db()
    assert alice.check_password("her own choice")


@pytest.mark.parametrize(("name", "status"), [("alice", 200), ("bob", 200), ("admin", 302)])
def test_of_the_demos_people_one_may_enter_the_admin(db: None, browser: Browser, name: str, status: int) -> None:
    demo.ensure_users()
    assert browser.log_in(f"{name}@example.com", f"demo-only-{name}").status_code == status
    assert User.objects.get(email=f"{name}@example.com").check_password(f"demo-only-{name}")

"""Many logins of one account at the same moment, against the running site with its two processes."""

from functools import partial

import pytest

from tests.sampling import sampled
from tests.site.arena import PASSWORD, Arena
from tests.site.holder import Holder
from tests.site.member import Member, together


@pytest.mark.parametrize("number", sampled([24, 60], {24}))
def test_right_passwords_of_one_account_sent_at_once_are_all_let_in(sqlite_arena: Arena, number: int) -> None:
    [email] = sqlite_arena.people(f"crowd-{number}-", 1)
    answers = together(*[partial(Member(sqlite_arena.site).log_in, email, PASSWORD) for _ in range(number)])
    assert [answer.status for answer in answers] == [200] * number
    assert sqlite_arena.store(1).keys("throttle:*") == []


def test_wrong_passwords_sent_along_refuse_no_right_one_before_they_have_reached_the_limit(
    sqlite_arena: Arena,
) -> None:
    few, many = sqlite_arena.people("mixed-", 2)
    for email, wrong, hashed in ((few, 9, 9), (many, 30, 10)):
        logins = [partial(Holder(sqlite_arena.site).log_in, email, PASSWORD) for _ in range(15)]
        guesses = [partial(Holder(sqlite_arena.site).log_in, email, f"guess {number}") for number in range(wrong)]
        answers = together(*logins, *guesses)
        right, guessed = ([answer.status for answer in part] for part in (answers[:15], answers[15:]))
        assert (guessed.count(401), guessed.count(429)) == (hashed, wrong - hashed)
        assert set(right) <= ({200} if hashed == 9 else {200, 429})
        assert len(sqlite_arena.backstage.ask("events", email, "authn_login_fail")) == hashed

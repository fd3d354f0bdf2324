"""The story of `/start/`: Dana leaves a coat, gets a number or a sealed letter, and comes back. Five steps.

Each step sends real requests for a throwaway person. The right answer to its question follows from the responses.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from jwt_demo.conf import conf as jwt_conf
from lab.claims.sandbox import Answer, Person, Sandbox, open_sandbox
from lab.experiments.decision import describe_duration
from lab.experiments.jws import read_claims
from lab.experiments.revocation import BY_KEY, Credential, log_in, revoke
from lab.experiments.scenarios import THIEF
from lab.tracing.sequence import Entry, size, with_arrows
from security.waits import Busy

# Seconds that an access token lives in the third step. On the site it lives 15 minutes, too long to wait for.
SHORT, LONG = 3, 60
# Seconds between two requests while the visitor waits for the token to expire, and the most seconds to wait.
INTERVAL, MAX_WAIT = 0.25, 5
# A caption, and the answer to the request that it describes.
Told = tuple[str, Answer]


@dataclass(frozen=True)
class Picture:
    """One half of a step's picture. `kind` is session or token, `note` what the server looks at. A visitor who has not
    asked yet sees the note only where the paper is handed out. `label` replaces the name of the kind."""

    kind: str
    who: str
    gets: bool
    item: str
    note: str
    refused: bool = False
    label: str = ""


@dataclass(frozen=True)
class Step:
    """One page of the story. `play` sends the requests; `right` picks the answer that they prove. `scenario` is the one
    on the page `wire` that goes on from here."""

    name: str
    title: str
    sentence: str
    pictures: tuple[Picture, Picture]
    question: str
    answers: dict[str, str]
    play: Callable[[Sandbox, Person], list[Told]]
    right: Callable[[list[Answer]], str]
    lesson: str
    scenario: str


@dataclass(frozen=True)
class Outcome:
    """What the server answered: the exchanges in order, and the key of the answer that they prove."""

    exchanges: list[Entry]
    right: str


def play(step: Step) -> Outcome:
    """Plays the step now. The person is removed at the end, and no visitor's own login takes part.

    Raises `Busy` if a request was answered with 503: then the answers prove nothing.
    """
    with open_sandbox() as sandbox:
        told = step.play(sandbox, sandbox.person())
        answers = [answer for _, answer in told]
        if any(answer.status == 503 for answer in answers):
            raise Busy  # otherwise the page would say that the server has refused Dana
        return Outcome([_entry(caption, answer) for caption, answer in told], step.right(answers))


def _entry(caption: str, answer: Answer) -> Entry:
    entry = with_arrows(answer.exchange.as_json())
    thief = answer.response.request.headers.get("User-Agent") == THIEF
    counts = {kind: answer.exchange.count(kind) for kind in ("redis", "sql")}
    # Under /lab/ there is only whoami with a token.
    lane = entry["lane"] or "token"
    return entry | counts | {"lane": lane, "caption": caption, "thief": thief, "sent": size(entry, "request")}


def _log_in_both(sandbox: Sandbox, person: Person, life: int = LONG) -> tuple[Credential, Credential]:
    return tuple(log_in(sandbox, person, BY_KEY[key], life) for key in ("session", "short"))  # type: ignore[return-value]


def _come_in(sandbox: Sandbox, person: Person) -> list[Told]:
    session, token = sandbox.browser(), sandbox.browser()
    session.get("/session/api/")
    book = session.log_in(person, "session")
    letter = token.log_in(person, "jwt")
    claims = read_claims(token.access)
    lifetime = describe_duration(claims["exp"] - claims["iat"])
    written = f"It says: user {claims['sub']}, {claims['role']}, for {lifetime}."
    return [
        ("Dana logs in with a session, and the server writes a record.", book),
        (f"Dana logs in with a token. {written}", letter),
    ]


def _who_is_named(answers: list[Answer]) -> str:
    named = "sub" in read_claims(answers[1].json.get("accessToken", ""))
    return "letter" if named and "." not in answers[0].set_cookies[0] else "number"


def _come_back(sandbox: Sandbox, person: Person) -> list[Told]:
    session, token = _log_in_both(sandbox, person)
    return [("Dana shows the number.", session.ask()), ("Dana shows the letter.", token.ask())]


def _what_is_looked_up(answers: list[Answer]) -> str:
    number, letter = (answer.exchange.count("redis") + answer.exchange.count("sql") > 0 for answer in answers)
    return "both" if number and letter else "number" if number else "letter"


def _get_banned(sandbox: Sandbox, person: Person) -> list[Told]:
    session, token = _log_in_both(sandbox, person, SHORT)
    listed = log_in(sandbox, person, BY_KEY["denylist"], SHORT)
    revoke(person.user.pk, "ban")
    began = time.monotonic()
    told = [("Dana, now banned, shows the number.", session.ask())]
    told.append(("Dana shows the letter to a server that reads only the letter.", token.ask()))
    told.append(("Dana shows the letter to this site, which also looks into its denylist.", listed.ask()))
    answer = token.ask()
    while answer.status == 200 and time.monotonic() - began < MAX_WAIT:
        time.sleep(INTERVAL)
        answer = token.ask()
    seconds = time.monotonic() - began
    return [*told, (f"Dana shows the letter again, {seconds:.1f} seconds after the ban.", answer)]


def _who_gets_in(answers: list[Answer]) -> str:
    number, letter = (answer.status == 200 for answer in answers[:2])
    return "both" if number and letter else "number" if number else "letter" if letter else "neither"


def _be_robbed(sandbox: Sandbox, person: Person) -> list[Told]:
    session, token = _log_in_both(sandbox, person)
    thief = sandbox.browser(THIEF)
    thief.set_cookie(settings.SESSION_COOKIE_NAME, session.browser.cookie(settings.SESSION_COOKIE_NAME))
    copies = [Credential(session.strategy, thief), Credential(token.strategy, thief, ends=token.ends)]
    thief.access = token.browser.access
    told = [("Mallory shows a copy of the number.", copies[0].ask())]
    told.append(("Mallory shows a copy of the letter.", copies[1].ask()))
    session.browser.post("/session/auth/logout")
    told.append(("Dana has logged out. Mallory shows the number again.", copies[0].ask()))
    told.append(("Dana has thrown the letter away. Mallory shows the copy again.", copies[1].ask()))
    owner, thief = sandbox.logged_in("jwt", person), sandbox.browser(THIEF)
    thief.access = owner.access
    owner.post("/jwt/auth/logout")
    caption = "Mallory shows such a copy to this site, which has put Dana’s login on its denylist."
    return [*told, (caption, thief.get("/jwt/api/whoami"))]


def _which_copy_still_works(answers: list[Answer]) -> str:
    return _who_gets_in(answers[2:4])


def _use_it_twice(sandbox: Sandbox, person: Person) -> list[Told]:
    browser, thief = sandbox.logged_in("jwt", person), sandbox.browser(THIEF)
    thief.set_cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME, browser.cookie(jwt_conf.JWT_REFRESH_COOKIE_NAME))
    told = [
        ("Dana’s letter has expired. Dana hands in the voucher and gets new papers.", browser.post("/jwt/auth/refresh"))
    ]
    browser.keep(told[0][1])
    told.append(("Mallory hands in a copy of the used voucher.", thief.post("/jwt/auth/refresh")))
    return [*told, ("Dana shows the new letter.", browser.get("/jwt/api/whoami"))]


def _what_reuse_does(answers: list[Answer]) -> str:
    thief, owner = (answer.status == 200 for answer in answers[1:])
    return "letter" if thief else "nothing" if owner else "ended"


WHO = {"number": "The number", "letter": "The letter"}
STEPS = {
    step.name: step
    for step in (
        Step(
            "come-in",
            "Come in",
            "Dana hands in a coat. With a session the attendant writes Dana into a book and hands out a number. "
            "With a token the attendant writes everything into a letter and seals it.",
            (
                Picture("session", "Dana", True, "17", "Book: 17 = Dana, member"),
                Picture("token", "Dana", True, "", "User 4, member, until 12:15"),
            ),
            "Which of the two says who Dana is, without any book?",
            WHO,
            _come_in,
            _who_is_named,
            "The number is random and means nothing without the book. The letter names the user and the role, and "
            "the seal shows that the server wrote it. Anyone who holds the letter can read it.",
            "session-login",
        ),
        Step(
            "come-back",
            "Come back",
            "Dana comes back. For the number the attendant opens the book. For the letter the attendant checks the "
            "seal.",
            (
                Picture("session", "Dana", False, "17", "Opens the book: 17 = Dana"),
                Picture("token", "Dana", False, "", "Checks the seal: it fits"),
            ),
            "For which of the two does the server have to look something up?",
            WHO | {"both": "Both"},
            _come_back,
            _what_is_looked_up,
            "This is why people like tokens: any server that knows the seal can check the letter, also one that has no "
            "book. The price is that the letter is longer, and travels with each request.",
            "token-login",
        ),
        Step(
            "banned",
            "Get banned",
            f"Dana misbehaves and is banned. The administrator strikes Dana out of the book. The letter lives {SHORT} "
            "seconds here, so that you can watch it expire. On this site it lives 15 minutes.",
            (
                Picture("session", "Dana", False, "17", "Book: 17 is struck out", True),
                Picture("token", "Dana", False, "", "The seal still fits"),
            ),
            "Dana comes back right after the ban. What still opens the door?",
            WHO | {"both": "Both", "neither": "Neither"},
            _get_banned,
            _who_gets_in,
            "A letter cannot be called back. A server that reads only the letter lets Dana in until it expires. This "
            "site looks into a short list of ended logins for each token, so it refuses Dana at once. That costs one "
            "look-up, as with a session.",
            "strangers",
        ),
        Step(
            "stolen",
            "The letter is stolen",
            "Mallory copies the number and the letter. Then Dana logs out: the attendant strikes out the number, and "
            "Dana throws the letter away.",
            (
                Picture("session", "Mallory", False, "17", "Book: 17 is struck out", True),
                Picture("token", "Mallory", False, "", "The seal still fits"),
            ),
            "After Dana has logged out, which copy still works for Mallory?",
            WHO | {"both": "Both", "neither": "Neither"},
            _be_robbed,
            _which_copy_still_works,
            "A copy of either works while the login lasts. Only a look-up can end it early: in the book, or in the "
            "denylist of this site. So keep the number in a cookie that scripts cannot read, and keep a letter short.",
            "old-cookie",
        ),
        Step(
            "short",
            "So the letter is short",
            "Dana gets two papers: a letter for some minutes, which is checked without the book, and a voucher for the "
            "next letter, which works once and is in the book. The voucher is the refresh token.",
            (
                Picture("token", "Dana", False, "", "Letter: 15 minutes, no book", label="Access token"),
                Picture("session", "Dana", False, "1×", "Book: voucher 1 is used", label="Refresh token"),
            ),
            "Mallory copies the voucher. Dana uses it first, then Mallory uses the copy. What happens?",
            {
                "letter": "Mallory gets a letter",
                "nothing": "Mallory gets nothing, and Dana notices nothing",
                "ended": "Mallory gets nothing, and Dana’s logins end too",
            },
            _use_it_twice,
            _what_reuse_does,
            "The server sees a used voucher for the second time and cannot know which of the two is Dana. So it ends "
            "Dana’s logins, and Dana logs in again. That is why there are two tokens: a short one that is cheap to "
            "check, and a long one that the server can end.",
            "old-refresh",
        ),
    )
}

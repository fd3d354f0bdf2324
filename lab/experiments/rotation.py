"""Scenes in which one refresh token is sent twice, played at the real endpoints with two logins of one user."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from http.cookiejar import Cookie
from typing import Any

import jwt

from jwt_demo.conf import conf as jwt_conf
from jwt_demo.models import Policy, TokenFamily
from lab.claims.sandbox import Answer, Browser, Sandbox

REFRESH, WHOAMI = "/jwt/auth/refresh", "/jwt/api/whoami"
OWNER_AGENT, PHONE_AGENT, THIEF_AGENT = "Laptop (lab) Chrome/1", "Phone (lab) Safari/1", "Thief (lab) curl/1"
GRACE_PERIODS = (10, 0)


@dataclass(frozen=True)
class Move:
    """One action of a scene: `act` is "steal", "refresh", "lose", "both" or "whoami"."""

    actor: str
    act: str
    description: str


@dataclass(frozen=True)
class Scene:
    """A sequence of moves, with a title and one sentence about it."""

    name: str
    about: str
    moves: tuple[Move, ...]


STEAL = Move("thief", "steal", "The thief copies the refresh cookie from the laptop.")
PHONE = Move("phone", "refresh", "The phone, another login of the same user, refreshes.")
SCENES = {
    "thief-first": Scene(
        "The thief comes first",
        "A stolen token is used before its owner needs it again.",
        (
            STEAL,
            Move("thief", "refresh", "The thief refreshes."),
            Move("laptop", "refresh", "The laptop refreshes with the token that it still has."),
            Move("thief", "refresh", "The thief uses the successor."),
            Move("thief", "whoami", "The thief uses the access token."),
            PHONE,
        ),
    ),
    "owner-first": Scene(
        "The owner comes first",
        "The stolen token has been replaced by the time the thief uses it.",
        (
            STEAL,
            Move("laptop", "refresh", "The laptop refreshes."),
            Move("thief", "refresh", "The thief refreshes with the copy of the old token."),
            Move("laptop", "refresh", "The laptop uses the successor."),
            Move("laptop", "whoami", "The laptop uses the access token."),
            PHONE,
        ),
    ),
    "two-tabs": Scene(
        "Two tabs at once",
        "Two tabs of one browser share its cookie and need a new access token at the same moment.",
        (
            Move("laptop", "both", "Two tabs of the laptop refresh at the same moment."),
            Move("laptop", "refresh", "The laptop refreshes again."),
            PHONE,
        ),
    ),
    "lost-response": Scene(
        "A lost response",
        "The server answers, the network loses the answer, and the client asks again.",
        (
            Move("laptop", "lose", "The laptop refreshes; the answer is lost on the way."),
            Move("laptop", "refresh", "The laptop asks again with the token that it still has."),
            Move("laptop", "refresh", "The laptop refreshes again."),
            PHONE,
        ),
    ),
}


@dataclass
class SentRequest:
    """One request and its answer, without secrets. `new_generation` is that of the token in the answer."""

    request: str
    token: str
    status: int
    result: str
    new_generation: int | None = None
    cookie: str = ""


@dataclass
class Step:
    """One played move: its requests, and the state of the families after it."""

    number: int
    actor: str
    description: str
    requests: list[SentRequest]
    families: list[dict[str, Any]]
    note: str = ""

    @property
    def alarm(self) -> bool:
        """Whether the server detected that a token was reused."""
        return any(item.result == "Token reuse detected" for item in self.requests)

    @property
    def late(self) -> bool:
        """Whether the server refused a retry as too late."""
        return any(item.result == "Refresh token already used" for item in self.requests)


@dataclass
class PlayedScene:
    """A scene while it is played. `families` maps the id of each family to the name of the browser that logged in."""

    browsers: dict[str, Browser]
    families: dict[str, str]
    at_once: Callable[[list[Callable[[], Answer]]], list[Answer]]
    steps: list[Step] = field(default_factory=list)
    # The refresh tokens that were returned so far. If one of them is returned again, it is the same successor.
    issued_tokens: list[str] = field(default_factory=list)


def play_scene(sandbox: Sandbox, scene: str, grace_period: int) -> PlayedScene:
    """Plays a scene with a grace period of `grace_period` seconds. Raises `KeyError` for an unknown scene."""
    person = sandbox.person()
    laptop = sandbox.logged_in("jwt", person, OWNER_AGENT)
    phone = sandbox.logged_in("jwt", person, PHONE_AGENT)
    browsers = {"laptop": laptop, "phone": phone, "thief": sandbox.browser(THIEF_AGENT)}
    families = {refresh_claims(browsers[name])["sid"]: name for name in ("laptop", "phone")}
    # A family stores its policy. This one is what a login under another JWT_GRACE_PERIOD would get.
    policy = asdict(replace(Policy.default(), grace_period=grace_period))
    TokenFamily.objects.filter(pk__in=families).update(policy=policy)
    played = PlayedScene(browsers, families, sandbox.at_once)
    for move in SCENES[scene].moves:
        requests = ACTS[move.act](played, browsers[move.actor])
        step = Step(len(played.steps) + 1, move.actor, move.description, requests, _family_lines(played))
        step.note = _explain(step, played)
        played.steps.append(step)
    return played


def _copy_refresh_cookie(played: PlayedScene, thief: Browser) -> list[SentRequest]:
    set_refresh_cookie(thief, refresh_cookie(played.browsers["laptop"]))
    return []


def _refresh(played: PlayedScene, browser: Browser) -> list[SentRequest]:
    before = _generation(browser)
    return [_describe_refresh(played, before, browser.keep(browser.post(REFRESH)))]


def _refresh_and_lose_answer(played: PlayedScene, browser: Browser) -> list[SentRequest]:
    before, cookie = _generation(browser), refresh_cookie(browser)
    answer = browser.post(REFRESH)
    set_refresh_cookie(browser, cookie)
    return [_describe_refresh(played, before, answer)]


def _refresh_in_two_tabs(played: PlayedScene, browser: Browser) -> list[SentRequest]:
    before = _generation(browser)
    tab = Browser(browser.address, browser.agent, str(browser.http.base_url))
    set_refresh_cookie(tab, refresh_cookie(browser))
    answers = played.at_once([lambda: browser.post(REFRESH), lambda: tab.post(REFRESH)])
    if answers[0].status != 200:
        # Tabs share one cookie jar, so the browser has the cookie that the other tab received.
        set_refresh_cookie(browser, refresh_cookie(tab))
    for answer in answers:
        browser.keep(answer)
    return [_describe_refresh(played, before, answer) for answer in answers]


def _whoami(played: PlayedScene, browser: Browser) -> list[SentRequest]:
    answer = browser.get(WHOAMI)
    return [SentRequest(f"GET {WHOAMI}", "access token", answer.status, answer.json.get("error", "role member"))]


ACTS = {
    "steal": _copy_refresh_cookie,
    "refresh": _refresh,
    "lose": _refresh_and_lose_answer,
    "both": _refresh_in_two_tabs,
    "whoami": _whoami,
}


def _describe_refresh(played: PlayedScene, before: int | None, answer: Answer) -> SentRequest:
    token_sent = "no refresh token" if before is None else f"refresh token, generation {before}"
    result, new_generation, cookie = answer.json.get("error", ""), None, ""
    if answer.status == 200:
        token = answer.response.cookies[jwt_conf.JWT_REFRESH_COOKIE_NAME]
        new_generation = int(jwt.decode(token, options={"verify_signature": False})["gen"])
        again = token in played.issued_tokens
        result = f"{'the same' if again else 'a new'} token, generation {new_generation}"
        played.issued_tokens.append(token)
        sealed = answer.exchange.cookies_set[0]
        cookie = f"{sealed['name']}={sealed['first']}… ({sealed['length']} bytes, digest {sealed['digest']})"
    return SentRequest(f"POST {REFRESH}", token_sent, answer.status, result, new_generation, cookie)


def refresh_cookie(browser: Browser) -> Cookie | None:
    """The refresh cookie of a browser."""
    jar = browser.http.cookies.jar
    return next((cookie for cookie in jar if cookie.name == jwt_conf.JWT_REFRESH_COOKIE_NAME), None)


def set_refresh_cookie(browser: Browser, cookie: Cookie | None) -> None:
    """Gives a browser this cookie. It replaces the one with the same name."""
    if cookie:
        browser.http.cookies.jar.set_cookie(cookie)


def refresh_claims(browser: Browser) -> dict[str, Any]:
    """The claims of the refresh token of a browser, read without a key. Empty if it has none."""
    cookie = refresh_cookie(browser)
    return jwt.decode(cookie.value or "", options={"verify_signature": False}) if cookie else {}


def lifetime(token: str) -> int:
    """The lifetime of a token in seconds, read without a key."""
    said = jwt.decode(token, options={"verify_signature": False})
    return int(said["exp"] - said["iat"])


def _generation(browser: Browser) -> int | None:
    return refresh_claims(browser).get("gen")


def _family_lines(played: PlayedScene) -> list[dict[str, Any]]:
    """Each family as a list of generations, with their state and the clients that hold them."""
    rows = {str(row.pk): row for row in TokenFamily.objects.filter(pk__in=played.families)}
    live = {str(pk) for pk in TokenFamily.objects.live().filter(pk__in=played.families).values_list("pk", flat=True)}
    holding = {name: refresh_claims(browser) for name, browser in played.browsers.items()}
    lines = []
    for sid, name in played.families.items():
        nodes = []
        for number in range(rows[sid].generation + 1):
            holders = [who for who, said in holding.items() if (said.get("sid"), said.get("gen")) == (sid, number)]
            state = "spent" if number < rows[sid].generation else "alive" if sid in live else "ended"
            nodes.append({"number": number, "state": state, "holders": holders})
        lines.append({"name": name, "alive": sid in live, "reason": rows[sid].reason, "nodes": nodes})
    return lines


def _explain(step: Step, played: PlayedScene) -> str:
    """One sentence about what the server just did."""
    if step.alarm:
        return "Alarm: every login of this user ends."
    if step.late:
        return f"Too late for a retry: this login ends; {_surviving_logins(step)} stays."
    if sum(item.result.startswith("the same token") for item in step.requests):
        return "There is no second successor: the server returned the same token again, byte for byte."
    return ""


def _surviving_logins(step: Step) -> str:
    return " and ".join(f"the {family['name']}'s" for family in step.families if family["alive"]) or "nothing"


def logins_at_the_end(played: PlayedScene) -> list[dict[str, Any]]:
    """Tests which clients are logged in at the end: whoami with the access token, then a refresh."""
    called = []
    for name, browser in played.browsers.items():
        if not refresh_cookie(browser):
            continue
        whoami = browser.get(WHOAMI).status if browser.access else None
        refresh = browser.post(REFRESH).status
        called.append({"who": name, "whoami": whoami, "refresh": refresh, "in": refresh == 200})
    return called

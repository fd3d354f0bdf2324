"""Sessions or tokens: seven questions and an ordered list of rules. The first rule that fits the answers decides.

Each rule names the claim that it follows and the usual objection. The last rule fits every answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings

from jwt_demo.conf import conf as jwt_conf
from jwt_demo.conf import simple_jwt
from sessions_demo.conf import conf as session_conf

Answers = dict[str, str]


@dataclass(frozen=True)
class Question:
    """One question. `options` maps the value in the address to the answer's text. The first option is the default."""

    name: str
    text: str
    options: dict[str, str]


QUESTIONS = (
    Question(
        "clients",
        "Which clients send the requests?",
        {
            "browser": "Browsers that show pages made by the server",
            "script": "Browsers that run one large script (a single-page app)",
            "apps": "Mobile apps, or programs without a browser",
            "both": "A web page and mobile apps, over the same API",
            "partners": "Other companies’ software, on behalf of your users",
        },
    ),
    Question(
        "services",
        "Which servers check the login?",
        {"one": "One application", "many": "Many services, each on its own"},
    ),
    Question(
        "servers",
        "On how many servers does it run?",
        {"one": "One, and the application is simple", "several": "Several, or their number will grow"},
    ),
    Question(
        "permissions",
        "How often do permissions change?",
        {"seldom": "Seldom: a change may wait some minutes", "often": "Often: a change must count from the next click"},
    ),
    Question(
        "revocation",
        "How soon must a revoked login stop working?",
        {"minutes": "Within a quarter of an hour", "now": "At once"},
    ),
    Question(
        "stakes",
        "What does the login protect?",
        {"usual": "Ordinary data, as on most sites", "high": "Money, health, or data that the law protects"},
    ),
    Question(
        "tenants",
        "Whose data is it?",
        {"one": "The data of one organisation", "many": "The data of many, who must not see each other’s"},
    ),
)
USUAL: Answers = {question.name: next(iter(question.options)) for question in QUESTIONS}


class Outcome(StrEnum):
    """The possible recommendations."""

    SESSION = "Sessions"
    TOKENS = "Short tokens with rotation"
    DENYLIST = "Tokens with a denylist"
    VERSION = "Tokens with a version"
    BOTH = "Both: a session for the browser, tokens for the rest"
    BACKEND = "A backend for the frontend"

    @property
    def has_session(self) -> bool:
        """Whether the browser gets a session."""
        return self in (Outcome.SESSION, Outcome.BOTH, Outcome.BACKEND)

    @property
    def has_tokens(self) -> bool:
        """Whether a client or a service gets tokens."""
        return self not in (Outcome.SESSION, Outcome.BACKEND)


# An explanation of each, for a reader who does not know the term.
MEANING = {
    Outcome.SESSION: "The server stores who is logged in; the browser holds a cookie with a random id. The login "
    "ends as soon as the server deletes its record.",
    Outcome.TOKENS: "An access token of fifteen minutes that is not looked up, and a refresh token that is replaced "
    "each time it is used. A revoked login works until the access token expires.",
    Outcome.DENYLIST: "Short access tokens with rotation, and one look-up in Redis per request for revoked tokens. A "
    "revocation counts from the next request.",
    Outcome.VERSION: "Short access tokens with rotation, and one database query per request: the token’s version must "
    "still be the user’s. It needs no second store.",
    Outcome.BOTH: "Browsers log in with a session; apps and services get tokens. Both serve the same users, and "
    "revoking a user’s access ends both.",
    Outcome.BACKEND: "The script talks to a small server of its own with a session cookie. Any tokens stay on that "
    "server, where no script can read them.",
}


# Where each kind of client keeps its tokens. A program without a browser has no use for a cookie.
IN_A_BROWSER = "The access token in the memory of the page, the refresh token in an HttpOnly cookie."
IN_THE_BODY = "The client sends “transport”: “body” when it logs in, and receives both tokens in the body."
WHERE_KEPT = {
    "browser": IN_A_BROWSER,
    "script": IN_A_BROWSER,
    "apps": f"{IN_THE_BODY} It keeps the refresh token in the Keychain (iOS) or the Keystore (Android), a program "
    "without them in a file that only its own user can read. The access token stays in memory.",
    "both": f"In the browser: nothing, with a session; otherwise the refresh token in an HttpOnly cookie. In an app: "
    f"{IN_THE_BODY} It keeps the refresh token in the Keychain (iOS) or the Keystore (Android).",
    "partners": f"{IN_THE_BODY} The other company’s server keeps the refresh token as it keeps a password.",
}


@dataclass(frozen=True)
class Rule:
    """One recommendation: the answers it fits, the claim it follows, the reason, and the usual objection."""

    claim: str
    outcome: Outcome
    fits: Callable[[Answers], bool]
    why: str
    objection: str


def _is_strict(a: Answers) -> bool:
    return a["stakes"] == "high" or a["revocation"] == "now" or a["permissions"] == "often"


def _is_in_browser(a: Answers) -> bool:
    return a["clients"] in ("browser", "script")


ANYTHING_WITH_SESSIONS = (
    "Some would use tokens here as well, so that an app can be added later without a second way to log in."
)
NO_LOOK_UP = (
    "A site that looks something up at every request already pays the price of a session, and may as well use one."
)
RULES = (
    Rule(
        "C81",
        Outcome.DENYLIST,
        lambda a: a["clients"] == "partners" and _is_strict(a),
        "Other companies’ software acts for your users with its own access tokens, and must lose them at once when a "
        "user says so.",
        "OAuth also allows opaque tokens: these are always looked up, and no client can read them.",
    ),
    Rule(
        "C81",
        Outcome.TOKENS,
        lambda a: a["clients"] == "partners",
        "Other companies’ software acts for your users with its own access tokens, which are limited and short-lived.",
        "OAuth also allows opaque tokens. Use an existing OAuth server; this project is not one.",
    ),
    Rule(
        "C82",
        Outcome.SESSION,
        lambda a: a["stakes"] == "high" and a["clients"] == "browser",
        "Where much is at stake a login must end when it is ended, and what matters asks for the password, or a second "
        "factor, again.",
        "Revocation can be as strict with tokens that are looked up. A session is that with fewer parts.",
    ),
    Rule(
        "C82",
        Outcome.BACKEND,
        lambda a: a["stakes"] == "high" and a["clients"] == "script",
        "A hostile script can use any token that the page can read. With data like this, the page should hold none.",
        "It is one more server to run. Some keep the access token in memory and accept the risk of a hostile script.",
    ),
    Rule(
        "C82",
        Outcome.BOTH,
        lambda a: a["stakes"] == "high" and a["clients"] == "both",
        "In a browser a session is the safest choice. Apps, which have no browser cookies, get tokens with a denylist.",
        "Two ways to log in are two things to get right. One API with tokens that are looked up is simpler.",
    ),
    Rule(
        "C80",
        Outcome.DENYLIST,
        lambda a: a["tenants"] == "many" and not _is_in_browser(a) and _is_strict(a),
        "The signed token names the tenant, so each service knows whose data is meant. The denylist revokes a token "
        "at once.",
        "The claim alone does not separate tenants: each service must refuse another tenant’s token, by its audience.",
    ),
    Rule(
        "C80",
        Outcome.TOKENS,
        lambda a: a["tenants"] == "many" and a["clients"] != "browser" and not _is_strict(a),
        "The signed token names the tenant, so each service knows without a look-up whose data is meant.",
        "A session record can name the tenant too. In both cases the code that reads the data must check it.",
    ),
    Rule(
        "C79",
        Outcome.SESSION,
        lambda a: a["permissions"] == "often" and _is_in_browser(a) and a["services"] == "one",
        "The role is read on the server at each request, so a change counts at once.",
        "Tokens with a denylist react as fast, for one look-up per request, which a session needs as well.",
    ),
    Rule(
        "C77",
        Outcome.BOTH,
        lambda a: a["services"] == "many" and _is_in_browser(a),
        "The browser has a session with the edge server. Each service behind it verifies a short token by itself.",
        "Some give the token to the browser and save the edge server. Every script in the page can then reach it.",
    ),
    Rule(
        "C77",
        Outcome.DENYLIST,
        lambda a: a["services"] == "many" and _is_strict(a),
        "Each service verifies the token alone, and looks into one shared list of revoked tokens.",
        NO_LOOK_UP,
    ),
    Rule(
        "C77",
        Outcome.TOKENS,
        lambda a: a["services"] == "many",
        "Each service verifies the token alone, without a store that all of them need at each request.",
        "A gateway can look up a session once and tell the services. Then no client may reach a service directly.",
    ),
    Rule(
        "C83",
        Outcome.BACKEND,
        lambda a: a["clients"] == "script" and a["revocation"] == "now",
        "The script holds no token, and a session can be ended at once: current best practice for apps in the browser.",
        "The usual advice is tokens with rotation. They then need a denylist, and a hostile script can still reach "
        "them.",
    ),
    Rule(
        "C78",
        Outcome.SESSION,
        lambda a: a["servers"] == "one" and _is_in_browser(a),
        "For one application that browsers use, a cookie and a record on the server are enough.",
        ANYTHING_WITH_SESSIONS,
    ),
    Rule("C75", Outcome.SESSION, lambda a: a["clients"] == "browser", "Browsers have cookies for this: no script "
         "is needed, and none can read them.", ANYTHING_WITH_SESSIONS),
    Rule(
        "C83",
        Outcome.TOKENS,
        lambda a: a["clients"] == "script",
        "The app keeps the access token in memory. The refresh token is in a cookie, and is replaced at each use.",
        "Current best practice (the IETF’s advice for browser-based apps) prefers a backend for the frontend, which "
        "keeps the tokens on the server.",
    ),
    Rule(
        "C79",
        Outcome.VERSION,
        lambda a: _is_strict(a) and a["servers"] == "one",
        "A change must count at once. With one server the database is close, and a version in the user’s row needs no "
        "other store.",
        "A version ends all logins of a user together. Logging out one device at once needs a denylist.",
    ),
    Rule(
        "C79",
        Outcome.DENYLIST,
        _is_strict,
        "A change must count at once on every server. This costs one look-up in Redis per request.",
        NO_LOOK_UP,
    ),
    Rule(
        "C76",
        Outcome.TOKENS,
        lambda a: a["clients"] == "both",
        "There is one API for web and mobile. A token in a header works the same in both, and needs no protection "
        "against forged requests.",
        "A native client can keep a cookie too. Only the CSRF token is awkward there.",
    ),
    Rule(
        "C116",
        Outcome.TOKENS,
        lambda a: True,
        "A program without a browser can hold a token safely, and short tokens need no look-up.",
        "If every request reads the user from the database anyway, a token saves nothing over an id that is looked up.",
    ),
)  # fmt: skip


def decide(answers: Answers) -> Rule:
    """The first rule that fits these answers. A question without an answer counts as its first option."""
    return next(rule for rule in RULES if rule.fits(USUAL | answers))


SESSION_SETTINGS = (
    "SESSION_ENGINE",
    "SESSION_CACHE_ALIAS",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_SECURE",
    "SESSION_COOKIE_SAMESITE",
    "SESSION_IDLE_LIFETIME",
    "SESSION_ABSOLUTE_LIFETIME",
    "SESSION_IDLE_LIFETIME_REMEMBERED",
    "SESSION_ABSOLUTE_LIFETIME_REMEMBERED",
    "CSRF_COOKIE_NAME",
    "CSRF_COOKIE_SECURE",
    "CSRF_COOKIE_SAMESITE",
)
SIMPLE_JWT_KEYS = ("ACCESS_TOKEN_LIFETIME", "REFRESH_TOKEN_LIFETIME")
TOKEN_SETTINGS = (
    "JWT_REFRESH_LIFETIME_REMEMBERED",
    "JWT_ABSOLUTE_LIFETIME",
    "JWT_ABSOLUTE_LIFETIME_REMEMBERED",
    "JWT_GRACE_PERIOD",
    "JWT_REFRESH_COOKIE_NAME",
    "JWT_REVOCATION",
)
# The value of JWT_REVOCATION, the only setting that a recommendation changes. All others get "denylist".
CHECK_OF_OUTCOME = {Outcome.TOKENS: "expiry", Outcome.VERSION: "version"}
UNITS = (("day", 24 * 60 * 60), ("hour", 60 * 60), ("minute", 60), ("second", 1))


def uses_cookie(answers: Answers) -> bool:
    """Whether a browser is among the clients, so that a cookie is of use."""
    return (USUAL | answers)["clients"] not in ("apps", "partners")


def settings_to_paste(outcome: Outcome, cookie: bool = True) -> str:
    """This project's settings for a recommendation, with their current values, as lines of Python. Without `cookie`
    they name no cookie."""
    names = SESSION_SETTINGS * outcome.has_session + TOKEN_SETTINGS * outcome.has_tokens
    names = tuple(name for name in names if cookie or "COOKIE" not in name)
    values = {name: setting(name) for name in names}
    if outcome.has_tokens:
        values["JWT_REVOCATION"] = CHECK_OF_OUTCOME.get(outcome, "denylist")
    lines = _simple_jwt_lines() if outcome.has_tokens else []
    lines += [f"{name} = {value!r}".replace("'", '"') + _comment(value) for name, value in values.items()]
    if values.get("JWT_REVOCATION") == "denylist":
        lines.append(f"JWT_DENYLIST_LEASE = {jwt_conf.JWT_DENYLIST_LEASE}{_comment(jwt_conf.JWT_DENYLIST_LEASE)}")
    return "\n".join(lines)


def _simple_jwt_lines() -> list[str]:
    lines = ["from datetime import timedelta", "", "SIMPLE_JWT = {"]
    for name in SIMPLE_JWT_KEYS:
        seconds = int(getattr(simple_jwt, name).total_seconds())
        lines.append(f'    "{name}": timedelta(seconds={seconds}),{_comment(seconds)}')
    return [*lines, "}"]


def setting(name: str) -> object:
    """The value in use: from the settings, or the default of an app. Raises `AttributeError` for an unknown name."""
    for source in (settings, session_conf):
        if hasattr(source, name):
            return getattr(source, name)
    return getattr(jwt_conf, name)


def _comment(value: object) -> str:
    return "" if isinstance(value, bool) or not isinstance(value, int) else f"  # {describe_duration(value)}"


def describe_duration(seconds: float) -> str:
    """A duration in its largest unit, rounded: "7 days"."""
    # The 1 per cent keeps a day less a moment from being shown as 24 hours.
    name, length = next((unit for unit in UNITS if seconds * 1.01 >= unit[1]), UNITS[-1])
    number = round(seconds / length)
    return f"{number} {name}{'' if number == 1 else 's'}"

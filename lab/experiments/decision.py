"""Which one to choose: seven questions, and ordered rules of which the first that fits decides.

Each rule follows one of the claims and says who would object. Whatever is answered, one rule fits.
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
    """One question. `options` are what may be answered, by the word that stands in the address; the first is usual."""

    name: str
    text: str
    options: dict[str, str]


QUESTIONS = (
    Question(
        "clients",
        "Who asks?",
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
        "Who checks who is asking?",
        {"one": "One application", "many": "Many services, each by itself"},
    ),
    Question(
        "servers",
        "On how many servers does it run?",
        {"one": "One, and the application is simple", "several": "Several, or it is going to grow"},
    ),
    Question(
        "permissions",
        "How often do permissions change?",
        {"seldom": "Seldom: a change may wait for some minutes", "often": "Often: a change counts from the next click"},
    ),
    Question(
        "revocation",
        "How soon must a revoked login stop working?",
        {"minutes": "Within a quarter of an hour", "now": "At once"},
    ),
    Question(
        "stakes",
        "What is behind it?",
        {"usual": "What most sites have", "high": "Money, health, or what the law protects"},
    ),
    Question(
        "tenants",
        "Whose data is it?",
        {"one": "That of one organisation", "many": "That of many, who must not see each other’s"},
    ),
)
USUAL: Answers = {question.name: next(iter(question.options)) for question in QUESTIONS}


class Outcome(StrEnum):
    """What is recommended."""

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


# What each one is, for who has never heard of it.
MEANING = {
    Outcome.SESSION: "The server keeps who is logged in; the browser holds a cookie with an id that means nothing "
    "elsewhere. It ends the moment the server forgets it.",
    Outcome.TOKENS: "An access token of fifteen minutes that is not looked up, and a refresh token in a cookie that is "
    "replaced each time it is used. A revoked login works on until the access token expires.",
    Outcome.DENYLIST: "Access tokens as above, and one look into Redis a request for those that were revoked. It "
    "counts from the next request.",
    Outcome.VERSION: "Access tokens as above, and one look into the database a request: the user’s version must still "
    "be the token’s. It needs no second store.",
    Outcome.BOTH: "Browsers log in with a session; apps and services get tokens. The users are the same, and to revoke "
    "a login ends both.",
    Outcome.BACKEND: "The script talks to a small server of its own with a session cookie; whatever tokens there are "
    "stay on that server, where no script can read them.",
}


@dataclass(frozen=True)
class Rule:
    """One recommendation: the answers it is for, the claim it follows, why, and who would say otherwise."""

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
    "Others would use tokens here as well, so that an app can be added later without a second way to log in."
)
NO_LOOK_UP = (
    "A site that looks something up at every request has paid the price of a session already, and may as well use one."
)
RULES = (
    Rule(
        "C81",
        Outcome.DENYLIST,
        lambda a: a["clients"] == "partners" and _is_strict(a),
        "Software of others acts for your users with an access token of its own, and must lose it at once when a user "
        "says so.",
        "OAuth allows opaque tokens just as well: they are looked up anyway, and no client can read them.",
    ),
    Rule(
        "C81",
        Outcome.TOKENS,
        lambda a: a["clients"] == "partners",
        "Software of others acts for your users with an access token of its own, limited and short.",
        "OAuth allows opaque tokens just as well. Take an OAuth server that exists; this project is not one.",
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
        "A script in the page can use whatever it can read. Where much is at stake, it should hold no token at all.",
        "It is one more server to run; some keep the access token in memory and accept what a hostile script could do.",
    ),
    Rule(
        "C82",
        Outcome.BOTH,
        lambda a: a["stakes"] == "high" and a["clients"] == "both",
        "Browsers are strictest with a session. Apps, which have no cookies to protect, get tokens with a denylist.",
        "Two ways to log in are two things to get right; one API with tokens that are looked up is simpler.",
    ),
    Rule(
        "C80",
        Outcome.DENYLIST,
        lambda a: a["tenants"] == "many" and not _is_in_browser(a) and _is_strict(a),
        "The tenant stands in the signed token, so each service knows whose data is meant; the denylist ends a token "
        "at once.",
        "The claim alone separates no tenants: each service must refuse a token of another tenant, by its audience.",
    ),
    Rule(
        "C80",
        Outcome.TOKENS,
        lambda a: a["tenants"] == "many" and a["clients"] != "browser" and not _is_strict(a),
        "The tenant stands in the signed token, so each service knows without a look-up whose data is meant.",
        "A session record can hold the tenant too. In both, the code that reads the data must compare it.",
    ),
    Rule(
        "C79",
        Outcome.SESSION,
        lambda a: a["permissions"] == "often" and _is_in_browser(a) and a["services"] == "one",
        "The role is read on the server at each request, so a change counts at once.",
        "Tokens with a denylist are as quick, for one look-up a request, which a session needs as well.",
    ),
    Rule(
        "C77",
        Outcome.BOTH,
        lambda a: a["services"] == "many" and _is_in_browser(a),
        "The browser gets a session at the edge, and each service behind it a short token it can verify alone.",
        "Some hand the token to the browser and save the edge; it is then within reach of every script in the page.",
    ),
    Rule(
        "C77",
        Outcome.DENYLIST,
        lambda a: a["services"] == "many" and _is_strict(a),
        "Each service verifies the token alone, and asks one shared list for those that were revoked.",
        NO_LOOK_UP,
    ),
    Rule(
        "C77",
        Outcome.TOKENS,
        lambda a: a["services"] == "many",
        "Each service verifies the token alone: no store that all of them need at each request.",
        "A gateway can look up a session once and tell the services; then they must be out of reach from outside.",
    ),
    Rule(
        "C83",
        Outcome.BACKEND,
        lambda a: a["clients"] == "script" and a["revocation"] == "now",
        "A script should hold no token, and a session ends at once: current best practice for apps in the browser.",
        "The usual advice is tokens with rotation; they need a denylist then, and stay within reach of a hostile "
        "script.",
    ),
    Rule(
        "C78",
        Outcome.SESSION,
        lambda a: a["servers"] == "one" and _is_in_browser(a),
        "One application that browsers use: a cookie and a record are all it takes.",
        ANYTHING_WITH_SESSIONS,
    ),
    Rule("C75", Outcome.SESSION, lambda a: a["clients"] == "browser", "Cookies are what browsers have for this: no "
         "script is needed, and none can read them.", ANYTHING_WITH_SESSIONS),
    Rule(
        "C83",
        Outcome.TOKENS,
        lambda a: a["clients"] == "script",
        "A new app in the browser: the access token in memory, the refresh token in a cookie, replaced at each use.",
        "Current best practice (the IETF’s advice for browser-based apps) prefers a backend for the frontend, which "
        "keeps the tokens on the server.",
    ),
    Rule(
        "C79",
        Outcome.VERSION,
        lambda a: _is_strict(a) and a["servers"] == "one",
        "A change must count at once. On one server the database is near, and a version in the user’s row needs no "
        "other store.",
        "A version ends all of a user’s logins together: to log out one device at once takes a denylist.",
    ),
    Rule(
        "C79",
        Outcome.DENYLIST,
        _is_strict,
        "A change must count at once, on every server: one look into Redis a request.",
        NO_LOOK_UP,
    ),
    Rule(
        "C76",
        Outcome.TOKENS,
        lambda a: a["clients"] == "both",
        "One API for web and mobile: a token in a header works the same in both, and needs no protection against "
        "forged requests.",
        "A native client can keep a cookie too. The part that is awkward there is the CSRF token.",
    ),
    Rule(
        "C116",
        Outcome.TOKENS,
        lambda a: True,
        "Programs without a browser hold a token as easily as anything else, and short tokens need no look-up.",
        "If every request reads the user from the database anyway, a token saves nothing over an id that is looked up.",
    ),
)  # fmt: skip


def decide(answers: Answers) -> Rule:
    """The rule for these answers; who does not answer a question has the usual case."""
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
# How access tokens are checked; the only setting that a recommendation changes.
CHECK_OF_OUTCOME = {Outcome.TOKENS: "expiry", Outcome.VERSION: "version"}
UNITS = (("day", 24 * 60 * 60), ("hour", 60 * 60), ("minute", 60), ("second", 1))


def settings_to_paste(outcome: Outcome) -> str:
    """The settings of this project for a recommendation, with the values they have here, as lines of Python."""
    names = SESSION_SETTINGS * outcome.has_session + TOKEN_SETTINGS * outcome.has_tokens
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
    """The value in use: the project's own, or the default of an app. Raises `AttributeError` for an unknown name."""
    for source in (settings, session_conf):
        if hasattr(source, name):
            return getattr(source, name)
    return getattr(jwt_conf, name)


def _comment(value: object) -> str:
    return "" if isinstance(value, bool) or not isinstance(value, int) else f"  # {describe_duration(value)}"


def describe_duration(seconds: float) -> str:
    """A duration in its largest unit, rounded: "7 days"."""
    # What ends in a day less a moment ends in a day.
    name, length = next((unit for unit in UNITS if seconds * 1.01 >= unit[1]), UNITS[-1])
    number = round(seconds / length)
    return f"{number} {name}{'' if number == 1 else 's'}"

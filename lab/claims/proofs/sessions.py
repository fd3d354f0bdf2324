"""How sessions work: the record, the cookie, its end."""

import re
import time
from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.hashers import identify_hasher
from django.core.cache import caches
from django_redis import get_redis_connection

from accounts.models import User
from lab.claims.evidence import Evidence, holds, limit, proves
from lab.claims.sandbox import Answer, Browser, Person, Stage
from sessions_demo import store
from sessions_demo.models import DeviceSession

# What anybody may ask for without a login.
OPEN = ("/", "/session/login/", "/session/api/", "/accounts/register/", "/accounts/password/reset/", "/jwt/")
CLOSED = ("/session/api/whoami", "/session/api/profile", "/session/api/staff", "/session/api/devices")
# So many tries of each kind, too few for the throttle. The quickest counts: a busy machine only ever adds time.
TRIES = 5
# How far apart two of them may be; an early return is fifty times faster and more.
ALIKE = 3


@proves("C3")
def only_a_reference(scene: Stage) -> Iterator[Evidence]:
    """The record is on the server, and without it the cookie is nothing."""
    person = scene.person(role="admin")
    browser = scene.logged_in("session", person)
    cookie, record = browser.cookie(settings.SESSION_COOKIE_NAME), _record(browser)
    user, role = record.get("_auth_user_id"), record.get("role")
    kept = user == str(person.user.pk) and role == "admin"
    yield holds("the record in Redis under the digest of the cookie", f"user {user}, role {role}", kept)
    yield holds("a record under the cookie’s own value", _raw_key(cookie), not _raw_key(cookie))
    other = scene.logged_in("session", person).cookie(settings.SESSION_COOKIE_NAME)
    bare = all(re.fullmatch(r"[a-z0-9]{32}", value) for value in (cookie, other)) and cookie != other
    yield holds("the cookies of two logins of one person", f"{len(cookie)} and {len(other)} random characters", bare)
    before = browser.get("/session/api/whoami").status
    store.delete([store.digest(cookie)])
    after = browser.get("/session/api/whoami").status
    seen = f"{before} before, {after} after"
    yield holds("the same cookie, before and after its record is deleted", seen, (before, after) == (200, 401))


def _record(browser: Browser) -> dict[str, object]:
    digest = store.digest(browser.cookie(settings.SESSION_COOKIE_NAME))
    return caches[settings.SESSION_CACHE_ALIAS].get(store.PREFIX + digest) or {}


def _raw_key(cookie: str) -> list[str]:
    found = get_redis_connection(settings.SESSION_CACHE_ALIAS).scan_iter(f"*{cookie}*", count=1000)
    return [key.decode() for key in found]


@proves("C12")
def cookie_attributes(scene: Stage) -> Iterator[Evidence]:
    """Read off the header line, and off the record for what the browser is not trusted with."""
    browser = scene.browser()
    browser.get("/session/api/")
    lines = browser.log_in(scene.person(), "session").set_cookies
    line = next(line for line in lines if line.startswith(settings.SESSION_COOKIE_NAME))
    attributes = [attribute.strip() for attribute in line.split(";")[1:]]
    for wanted in ("HttpOnly", "Secure", "SameSite=Strict"):
        yield holds(f"{wanted} in Set-Cookie", wanted if wanted in attributes else "missing", wanted in attributes)
    ages = [attribute for attribute in attributes if attribute.startswith("Max-Age=")]
    yield holds("the cookie’s lifetime in Set-Cookie", [f"{age} s" for age in ages], ages == [f"Max-Age={24 * 3600}"])
    row = DeviceSession.objects.get(digest=store.digest(browser.cookie(settings.SESSION_COOKIE_NAME)))
    hours = (row.absolute_end - row.started).total_seconds() / 3600
    yield holds("the end that the server keeps, whatever the browser does", f"{hours:g} h", hours == 24)


@proves("C13")
def same_answer_to_strangers(scene: Stage) -> Iterator[Evidence]:
    """By status, body, work and time; beside it a login that answers sooner when there is nobody to compare with."""
    known, gone = scene.person(), scene.person()
    # Somebody nobody knows, whose traces in the throttle are cleared all the same.
    User.objects.filter(pk=gone.user.pk).delete()
    # In turn, so that whatever else the machine does slows both.
    tries = [(_fail(scene, known), _fail(scene, gone)) for _ in range(TRIES)]
    wrong, unknown = zip(*tries, strict=True)
    statuses = {answer.status for answer in wrong + unknown}
    yield holds("statuses of a wrong password and of an unknown user", sorted(statuses), statuses == {401})
    bodies = {answer.response.text for answer in wrong + unknown}
    yield holds("bodies of both", sorted(bodies), len(bodies) == 1)
    hashes = [sum(answer.exchange.count("hash") for answer in answers) for answers in (wrong, unknown)]
    yield holds(f"password hashes computed for {TRIES} of each", hashes, hashes == [TRIES, TRIES])
    stored = identify_hasher(known.user.password).algorithm
    yield holds("what the password is compared with", f"a hash by {stored}", known.password not in known.user.password)
    times = [min(answer.exchange.ms for answer in answers) for answers in (wrong, unknown)]
    seen, ratio = _compared(*times)
    yield holds(f"quickest of {TRIES} each: wrong password, unknown user", seen, 1 / ALIKE < ratio < ALIKE)
    early = [(_early(known), _early(gone)) for _ in range(TRIES)]
    seen, ratio = _compared(*map(min, zip(*early, strict=True)))
    yield limit("the same with a login that returns early for an unknown user", seen, ratio > ALIKE)


def _fail(scene: Stage, person: Person) -> Answer:
    browser = scene.browser()
    browser.get("/session/api/")
    return browser.post("/session/auth/login", {"email": person.email, "password": "not hers"})


def _early(person: Person) -> float:
    started = time.perf_counter()
    user = User.objects.filter(email=person.email).first()
    if user is not None:
        user.check_password("not hers")
    return (time.perf_counter() - started) * 1000


def _compared(wrong: float, unknown: float) -> tuple[str, float]:
    return f"{wrong:.1f} ms and {unknown:.1f} ms, ratio {wrong / unknown:.1f}", wrong / unknown


@proves("C14")
def refused_without_session(scene: Stage) -> Iterator[Evidence]:
    """No cookie, and one that somebody made up."""
    stranger, inventor, owner = scene.browser(), scene.browser(), scene.logged_in("session")
    inventor.give(settings.SESSION_COOKIE_NAME, "a" * 32)
    for asked, browser in (("without a cookie", stranger), ("with an invented id", inventor)):
        statuses = [browser.get(path).status for path in CLOSED]
        yield holds(f"{', '.join(CLOSED)} {asked}", statuses, set(statuses) == {401})
    status = owner.get(CLOSED[0]).status
    yield holds(f"{CLOSED[0]} with the cookie of a login", status, status == 200)


@proves("C15")
def logout_destroys(scene: Stage) -> Iterator[Evidence]:
    """The record goes, the cookie goes, and a copy of the cookie is worth nothing."""
    browser, thief = scene.logged_in("session"), scene.browser()
    cookie = browser.cookie(settings.SESSION_COOKIE_NAME)
    thief.give(settings.SESSION_COOKIE_NAME, cookie)
    before = thief.get("/session/api/whoami").status
    answer = browser.post("/session/auth/logout")
    deleted = [text for text in answer.exchange.texts("redis") if text.startswith(("DEL", "UNLINK"))]
    yield holds("what the logout told Redis", [text.partition(" ")[0] for text in deleted], len(deleted) > 0)
    found = store.existing([store.digest(cookie)])
    yield holds("the record afterwards", "still there" if found else "gone", not found)
    line = next((line for line in answer.set_cookies if line.startswith(settings.SESSION_COOKIE_NAME)), "")
    yield holds("the cookie in Set-Cookie", line or "not mentioned", "Max-Age=0" in line)
    after = thief.get("/session/api/whoami").status
    yield holds("a copy of the cookie", f"{before} before, {after} after", (before, after) == (200, 401))


@proves("C16")
def strangers_get_none(scene: Stage) -> Iterator[Evidence]:
    """Neither by looking around nor by failing to log in."""
    stranger, before = scene.browser(), _unowned()
    answers = [stranger.get(path) for path in OPEN]
    answers.append(_fail(scene, scene.person()))
    wrote = [text for answer in answers for text in answer.exchange.texts("redis") if "session:" in text]
    yield holds(f"commands about sessions for {len(OPEN)} pages and a failed login", wrote, not wrote)
    given = [line for answer in answers for line in answer.set_cookies if settings.SESSION_COOKIE_NAME in line]
    yield holds("session cookies given", len(given), not given)
    new = _unowned() - before
    yield holds("new session records that belong to no login", len(new), not new)
    user = scene.logged_in("session")
    yield holds("and to somebody who logs in", f"{len(_record(user))} fields", bool(_record(user)))


def _unowned() -> set[str]:
    # Others may log in meanwhile; their records are in the registry, a stranger's would not be.
    keys = get_redis_connection(settings.SESSION_CACHE_ALIAS).scan_iter(f"*{store.PREFIX}*", count=1000)
    digests = {key.decode().rpartition(":")[2] for key in keys}
    return digests - set(DeviceSession.objects.filter(ended=None).values_list("digest", flat=True))

"""How sessions work: the record, the cookie, and the logout."""

import re
import time
from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.hashers import identify_hasher
from django.core.cache import caches
from django_redis import get_redis_connection

from accounts.models import User
from lab.claims.evidence import Evidence, holds, limit, proves
from lab.claims.sandbox import Answer, Browser, Person, Sandbox
from sessions_demo import store
from sessions_demo.models import DeviceSession
from sessions_demo.record import ROLE, whole

# Addresses that need no login, and addresses that need one.
OPEN_PATHS = ("/", "/session/login/", "/session/api/", "/accounts/register/", "/accounts/password/reset/", "/jwt/")
CLOSED_PATHS = ("/session/api/whoami", "/session/api/profile", "/session/api/staff", "/session/api/devices")
# Tries of each kind, too few to be throttled. The quickest counts, because a busy machine only adds time.
TRIES = 5
# The ratio up to which two times count as the same. An early return is at least fifty times faster.
MAX_RATIO = 3


@proves("C3")
def only_a_reference(sandbox: Sandbox) -> Iterator[Evidence]:
    """The record is on the server, and without the record the cookie gets 401."""
    person = sandbox.person(role="admin")
    browser = sandbox.logged_in("session", person)
    cookie, record = browser.cookie(settings.SESSION_COOKIE_NAME), _session_record(browser)
    user, role = record.get("_auth_user_id"), record.get(ROLE)
    kept = user == str(person.user.pk) and role == "admin"
    yield holds("the record in Redis under the digest of the cookie", f"user {user}, role {role}", kept)
    yield holds("a record under the cookie’s own value", _keys_with(cookie), not _keys_with(cookie))
    other = sandbox.logged_in("session", person).cookie(settings.SESSION_COOKIE_NAME)
    bare = all(re.fullmatch(r"[a-z0-9]{32}", value) for value in (cookie, other)) and cookie != other
    yield holds("the cookies of two logins of one person", f"{len(cookie)} and {len(other)} random characters", bare)
    before = browser.get("/session/api/whoami").status
    store.delete([store.digest(cookie)])
    after = browser.get("/session/api/whoami").status
    seen = f"{before} before, {after} after"
    yield holds("the same cookie, before and after its record is deleted", seen, (before, after) == (200, 401))


def _session_record(browser: Browser) -> dict[str, object]:
    digest = store.digest(browser.cookie(settings.SESSION_COOKIE_NAME))
    kept = caches[settings.SESSION_CACHE_ALIAS].get(store.PREFIX + digest)
    return whole(kept) if kept else {}


def _keys_with(cookie: str) -> list[str]:
    found = get_redis_connection(settings.SESSION_CACHE_ALIAS).scan_iter(f"*{cookie}*", count=1000)
    return [key.decode() for key in found]


@proves("C12")
def cookie_attributes(sandbox: Sandbox) -> Iterator[Evidence]:
    """Reads the attributes in the header, and in the registry the end that the server itself enforces."""
    browser = sandbox.browser()
    browser.get("/session/api/")
    lines = browser.log_in(sandbox.person(), "session").set_cookies
    line = next(line for line in lines if line.startswith(settings.SESSION_COOKIE_NAME))
    attributes = [attribute.strip() for attribute in line.split(";")[1:]]
    for wanted in ("HttpOnly", "Secure", "SameSite=Strict"):
        yield holds(f"{wanted} in Set-Cookie", wanted if wanted in attributes else "missing", wanted in attributes)
    ages = [attribute for attribute in attributes if attribute.startswith("Max-Age=")]
    yield holds("the cookie’s lifetime in Set-Cookie", [f"{age} s" for age in ages], ages == [f"Max-Age={24 * 3600}"])
    row = DeviceSession.objects.get(digest=store.digest(browser.cookie(settings.SESSION_COOKIE_NAME)))
    hours = (row.absolute_end - row.started).total_seconds() / 3600
    yield holds("the end that the server enforces, whatever the browser does", f"{hours:g} h", hours == 24)


@proves("C13")
def same_answer_for_unknown_user(sandbox: Sandbox) -> Iterator[Evidence]:
    """Compares status, body, hashes and time; and times a login that returns early for an unknown user."""
    known, gone = sandbox.person(), sandbox.person()
    # The e-mail address is unknown from now on. The sandbox still knows it and removes its counts in the throttle.
    User.objects.filter(pk=gone.user.pk).delete()
    # In turn, so that other load on the machine slows both.
    tries = [(_fail_to_log_in(sandbox, known), _fail_to_log_in(sandbox, gone)) for _ in range(TRIES)]
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
    seen, ratio = _compare_times(*times)
    yield holds(f"quickest of {TRIES} each: wrong password, unknown user", seen, 1 / MAX_RATIO < ratio < MAX_RATIO)
    early = [(_time_early_return(known), _time_early_return(gone)) for _ in range(TRIES)]
    seen, ratio = _compare_times(*map(min, zip(*early, strict=True)))
    yield limit("the same with a login that returns early for an unknown user", seen, ratio > MAX_RATIO)


def _fail_to_log_in(sandbox: Sandbox, person: Person) -> Answer:
    browser = sandbox.browser()
    browser.get("/session/api/")
    return browser.post("/session/auth/login", {"email": person.email, "password": "a wrong one"})


def _time_early_return(person: Person) -> float:
    started = time.perf_counter()
    user = User.objects.filter(email=person.email).first()
    if user is not None:
        user.check_password("a wrong one")
    return (time.perf_counter() - started) * 1000


def _compare_times(wrong: float, unknown: float) -> tuple[str, float]:
    return f"{wrong:.1f} ms and {unknown:.1f} ms, ratio {wrong / unknown:.1f}", wrong / unknown


@proves("C14")
def refused_without_session(sandbox: Sandbox) -> Iterator[Evidence]:
    """Requests without a cookie, with an invented one, and with a real one."""
    stranger, inventor, owner = sandbox.browser(), sandbox.browser(), sandbox.logged_in("session")
    inventor.set_cookie(settings.SESSION_COOKIE_NAME, "a" * 32)
    for asked, browser in (("without a cookie", stranger), ("with an invented id", inventor)):
        statuses = [browser.get(path).status for path in CLOSED_PATHS]
        yield holds(f"{', '.join(CLOSED_PATHS)} {asked}", statuses, set(statuses) == {401})
    status = owner.get(CLOSED_PATHS[0]).status
    yield holds(f"{CLOSED_PATHS[0]} with the cookie of a login", status, status == 200)


@proves("C15")
def logout_destroys(sandbox: Sandbox) -> Iterator[Evidence]:
    """The record is deleted, the cookie is cleared, and a copy of the cookie gets 401."""
    browser, thief = sandbox.logged_in("session"), sandbox.browser()
    cookie = browser.cookie(settings.SESSION_COOKIE_NAME)
    thief.set_cookie(settings.SESSION_COOKIE_NAME, cookie)
    before = thief.get("/session/api/whoami").status
    answer = browser.post("/session/auth/logout")
    deleted = [text for text in answer.exchange.texts("redis") if text.startswith(("DEL", "UNLINK"))]
    yield holds(
        "Redis commands of the logout that delete",
        [text.partition(" ")[0] for text in deleted],
        len(deleted) > 0,
    )
    found = store.existing([store.digest(cookie)])
    yield holds("the record afterwards", "still there" if found else "gone", not found)
    line = next((line for line in answer.set_cookies if line.startswith(settings.SESSION_COOKIE_NAME)), "")
    yield holds("the cookie in Set-Cookie", line or "not mentioned", "Max-Age=0" in line)
    after = thief.get("/session/api/whoami").status
    yield holds("a copy of the cookie", f"{before} before, {after} after", (before, after) == (200, 401))


@proves("C16")
def no_session_before_login(sandbox: Sandbox) -> Iterator[Evidence]:
    """Neither viewing pages nor a failed login creates a session."""
    stranger, before = sandbox.browser(), _unowned_digests()
    answers = [stranger.get(path) for path in OPEN_PATHS]
    answers.append(_fail_to_log_in(sandbox, sandbox.person()))
    wrote = [text for answer in answers for text in answer.exchange.texts("redis") if "session:" in text]
    yield holds(f"commands about sessions for {len(OPEN_PATHS)} pages and a failed login", wrote, not wrote)
    given = [line for answer in answers for line in answer.set_cookies if settings.SESSION_COOKIE_NAME in line]
    yield holds("session cookies given", len(given), not given)
    new = _unowned_digests() - before
    yield holds("new session records that belong to no login", len(new), not new)
    user = sandbox.logged_in("session")
    yield holds("the record of a user who logs in", f"{len(_session_record(user))} fields", bool(_session_record(user)))


def _unowned_digests() -> set[str]:
    # Other users may log in meanwhile. Their sessions are in the registry; that of a stranger would not be.
    keys = get_redis_connection(settings.SESSION_CACHE_ALIAS).scan_iter(f"*{store.PREFIX}*", count=1000)
    digests = {key.decode().rpartition(":")[2] for key in keys}
    return digests - set(DeviceSession.objects.filter(ended=None).values_list("digest", flat=True))

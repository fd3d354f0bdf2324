"""Enumeration: whether the answers of a login show which addresses have an account."""

import secrets
import sys
import time
from collections.abc import Iterator
from itertools import combinations, cycle
from statistics import median
from typing import Any

import httpx

from attack_range import hosts
from attack_range.attacks.clients import LOGIN, TOKEN_LOGIN, ask_to_log_in, cookies_of
from attack_range.cases import Case, Seen, Variant, register
from attack_range.people import DOMAIN
from attack_range.scene import NO_TLS, Scene
from attack_range.weak import enumeration as weak

WEAK = "/weak/enumeration/login"
# Tries for each kind of address. With fewer, equal times would too often look different by chance.
MEASUREMENTS = 16
# Fewer than the ten failures that the throttle allows for one account from one address.
FAILURES_PER_ACCOUNT = 8
# Two kinds of address can be told apart if one takes longer in at least this share of pairs, or in at most 1 minus it.
APART = 0.9
# The only header that always differs between two answers.
VARIES = "date"

Times = dict[str, list[float]]
Addresses = dict[str, Iterator[str]]


def _weak(scene: Scene) -> Seen:
    weak.users()  # Otherwise the time of the first request would include creating the hash.
    addresses = {"unknown": iter(_unknown, ""), "wrong": cycle([weak.ALICE])}
    times = _measure(addresses, scene.url(WEAK), "data")
    auc = _compare(times)
    return Seen(_are_apart(auc), f"By time: {_said(times, auc)}.", {**times, "auc": auc})


def _ours(scene: Scene) -> Seen:
    """Measures both logins with three kinds of address: unknown, with a wrong password, and of an inactive user."""
    emails = _emails(scene)
    token = _measure(_taking_turns(emails), scene.url(TOKEN_LOGIN), "json")
    session = _measure(_taking_turns(emails), scene.url(LOGIN), "json", _csrf(scene))
    by_token, by_session = _compare(token), _compare(session)
    differing = [flow for flow in ("session", "jwt") if _differ(scene, flow, [those[0] for those in emails.values()])]
    same = f"The answers of {' and '.join(differing)} differ." if differing else "Status, body and headers are equal."
    text = f"For tokens: {_said(token, by_token)}. For a session: {_said(session, by_session)}. {same}"
    succeeded = _are_apart(by_token) or _are_apart(by_session) or bool(differing)
    return Seen(succeeded, text, {**token, "auc": by_token, "session": {**session, "auc": by_session}})


def _emails(scene: Scene) -> dict[str, list[str]]:
    """The addresses of each kind. There are enough of them that the throttle refuses none."""
    number = MEASUREMENTS // FAILURES_PER_ACCOUNT
    inactive = [scene.person() for _ in range(number)]
    for person in inactive:
        person.user.is_active = False
        person.user.save()
    return {
        "unknown": [_unknown() for _ in range(number)],
        "wrong": [scene.person().email for _ in range(number)],
        "inactive": [person.email for person in inactive],
    }


def _taking_turns(emails: dict[str, list[str]]) -> Addresses:
    return {kind: cycle(those) for kind, those in emails.items()}


def _csrf(scene: Scene) -> dict[str, str]:
    """The headers for the CSRF check, which would otherwise refuse a login before the address is looked up."""
    start = scene.ask("GET", scene.url("/session/api/"))
    cookies = "; ".join(f"{name}={value}" for name, value in cookies_of(start).items())
    return {"X-CSRFToken": start.headers["X-CSRFToken"], "Cookie": cookies}


def _measure(addresses: Addresses, url: str, form: str, headers: dict[str, str] | None = None) -> Times:
    """The time of each answer to a wrong password, in milliseconds, for each kind of address. The kinds take turns."""
    times: Times = {kind: [] for kind in addresses}
    with _client() as client:
        for _ in range(MEASUREMENTS):
            for kind, emails in addresses.items():
                body = {form: {"email": next(emails), "password": _wrong()}}
                times[kind].append(round(_milliseconds(client, url, headers or {}, **body), 2))
    return times


def _client() -> httpx.Client:
    """A client with a new loopback address, because the throttle counts failures for each. An attacker has many."""
    numbers = ".".join(str(secrets.randbelow(254) + 1) for _ in range(3))
    # Other systems have only one IPv4 loopback address by default.
    address = f"127.{numbers}" if sys.platform == "linux" else "127.0.0.1"
    return httpx.Client(
        transport=httpx.HTTPTransport(local_address=address, verify=NO_TLS), timeout=10, trust_env=False
    )


def _unknown() -> str:
    return f"nobody-{secrets.token_hex(6)}{DOMAIN}"


def _wrong() -> str:
    return secrets.token_urlsafe(12)


def _milliseconds(client: httpx.Client, url: str, headers: dict[str, str], **body: Any) -> float:
    host = hosts.origin(hosts.VICTIM).removeprefix("http://")
    address = url.replace(host, f"127.0.0.1:{hosts.port()}", 1)  # Python does not resolve *.localhost
    started = time.perf_counter()
    answer = client.post(address, headers={"Host": host} | headers, **body)
    passed = time.perf_counter() - started
    if answer.status_code != 401:
        raise RuntimeError(f"A login that must fail was answered {answer.status_code}.")
    return passed * 1000


def _compare(times: Times) -> dict[str, float]:
    """For any two kinds, the share of pairs in which the second took longer (the area under the ROC curve)."""
    return {
        f"{second}/{first}": round(_share_longer(times[second], times[first]), 2)
        for first, second in combinations(times, 2)
    }


def _share_longer(these: list[float], those: list[float]) -> float:
    points = sum((this > that) + (this == that) / 2 for this in these for that in those)
    return points / (len(these) * len(those))


def _are_apart(auc: dict[str, float]) -> bool:
    """Whether the times show an attacker which kind an address is."""
    return any(share >= APART or share <= 1 - APART for share in auc.values())


def _said(times: Times, auc: dict[str, float]) -> str:
    medians = ", ".join(f"{kind} {median(those):.0f} ms" for kind, those in times.items())
    return f"Medians: {medians}. AUC: {', '.join(f'{pair} {share:.2f}' for pair, share in auc.items())}"


def _differ(scene: Scene, flow: str, emails: list[str]) -> bool:
    first, *others = (_answer(scene, flow, email) for email in emails)
    return any(other != first for other in others)


def _answer(scene: Scene, flow: str, email: str) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers of the answer to a wrong password, without the header that always differs."""
    answer = ask_to_log_in(scene, flow, email, _wrong())
    return answer.status_code, answer.text, {name: it for name, it in answer.headers.items() if name != VARIES}


def _legitimate(scene: Scene) -> Seen:
    alice = scene.person()
    answers = [ask_to_log_in(scene, flow, alice.email, alice.password) for flow in ("session", "jwt")]
    session, token = (answer.status_code for answer in answers)
    text = f"The right password, for a session: {session}. For tokens: {token}."
    return Seen(session == token == 200, text)


register(
    [
        Case("enumeration/weak", Variant.WEAK, "The times of failed logins show who has an account", True, _weak),
        Case("enumeration/ours", Variant.OURS, "The times of failed logins show who has an account", False, _ours),
        Case("enumeration/legitimate", Variant.LEGITIMATE, "Alice logs in with her password", True, _legitimate),
    ]
)

"""Secret: what an attacker who knows a key can forge with it."""

import secrets
from collections.abc import Callable, Iterator

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core import signing
from django.core.signing import BadSignature
from django.utils.crypto import get_random_string

from attack_range.attacks.clients import (
    cookies_of,
    listed,
    log_in,
    log_in_for_tokens,
    status_with_session,
    status_with_token,
)
from attack_range.attacks.forging import opened, with_hmac, words
from attack_range.cases import Case, Seen, Variant, register
from attack_range.people import Person
from attack_range.scene import Scene
from attack_range.weak import secret as weak
from attack_range.weak import unsigned
from jwt_demo.conf import conf
from jwt_demo.keys import Key
from security.users import session_hash

WEAK, UNSIGNED = "/weak/secret", "/weak/unsigned"
WHOAMI, REFRESH = "/jwt/api/whoami", "/jwt/auth/refresh"
BACKEND = "security.backends.PasswordBackend"
# Django's salt for sessions in a cookie. It is public, because it is in Django's source.
SALT = "django.contrib.sessions.backends.signed_cookies"
# Characters, as in a session id of our code.
ID_LENGTH = 32
IDS = 20


def _weak_cookie(scene: Scene) -> Seen:
    cookie = cookies_of(scene.ask("POST", scene.url(f"{WEAK}/login")))[weak.COOKIE]
    key = _guess(cookie)
    if key is None:
        return Seen(False, f"None of {len(words())} words is the key.")
    forged = signing.dumps(signing.loads(cookie, key, SALT) | {"role": "admin"}, key, SALT)
    real, status = (
        scene.ask("GET", scene.url(f"{WEAK}/staff"), {weak.COOKIE: one}).status_code for one in (cookie, forged)
    )
    tries = words().index(key) + 1
    text = f"Word {tries} of {len(words())} is the key. The real cookie: {real}. The forged one, as admin: {status}."
    return Seen(real == 403 and status == 200, text, {"statuses": [status], "tries": tries})


def _guess(cookie: str) -> str | None:
    for word in words():
        try:
            signing.loads(cookie, word, SALT)
        except BadSignature:
            continue
        return word
    return None


def _unsigned_cookie(scene: Scene) -> Seen:
    cookie = cookies_of(scene.ask("POST", scene.url(f"{UNSIGNED}/login")))[unsigned.COOKIE]
    edited = unsigned.encoded((unsigned.session_of(cookie) or {}) | {"role": "admin"})
    real, status = (
        scene.ask("GET", scene.url(f"{UNSIGNED}/staff"), {unsigned.COOKIE: one}).status_code for one in (cookie, edited)
    )
    text = f"The real cookie: {real}. The edited one, as admin: {status}."
    return Seen(real == 403 and status == 200, text, {"statuses": [status]})


def _our_id(scene: Scene) -> Seen:
    ada = scene.person("Ada", "admin")
    real = status_with_session(scene, log_in(scene, ada))
    if real != 200:
        raise RuntimeError(f"Ada's own session was answered {real}.")
    forged = [*_forged_ids(ada)]
    statuses = [status_with_session(scene, text) for text in forged]
    text = f"Ada's real id: {real}. {len(forged)} ids, forged with SECRET_KEY or drawn at random: {listed(statuses)}."
    return Seen(set(statuses) != {401}, text, {"statuses": statuses})


def _forged_ids(person: Person) -> Iterator[str]:
    """Session ids that an attacker could make who knows SECRET_KEY and the contents of this user's session."""
    key = settings.SECRET_KEY
    session = {
        SESSION_KEY: str(person.user.pk),
        BACKEND_SESSION_KEY: BACKEND,
        HASH_SESSION_KEY: session_hash(person.user),
        "_auth_role": "admin",
    }
    yield signing.dumps(session, key, SALT)
    yield signing.dumps(session, key, SALT, compress=True)
    yield signing.dumps(session, key, "sessions_demo.store")
    yield signing.Signer(key=key).sign(str(person.user.pk))
    yield session_hash(person.user)
    yield from (get_random_string(ID_LENGTH) for _ in range(IDS))
    yield from (secrets.token_urlsafe(ID_LENGTH) for _ in range(IDS))


def _weak_keys(scene: Scene) -> Seen:
    """The attacker knows the key of one kind of token, and forges the other kind."""
    tokens = scene.ask("POST", scene.url(f"{WEAK}/tokens")).json()
    header, claims = opened(tokens["accessToken"])
    refresh = with_hmac(header, claims | {"type": "refresh", "role": "admin"}, weak.ACCESS_KEY)
    renewed = scene.ask("POST", scene.url(f"{WEAK}/refresh"), headers={"Refresh-Token": refresh})
    header, claims = opened(tokens["refreshToken"])
    access = with_hmac(header, claims | {"type": "access", "role": "admin"}, weak.REFRESH_KEY)
    status = status_with_token(scene, f"{WEAK}/api", access)
    text = f"A refresh token by the access key: {renewed.status_code}. An access token by the refresh key: {status}."
    return Seen(renewed.status_code == status == 200, text, {"statuses": [renewed.status_code, status]})


def _our_keys(scene: Scene) -> Seen:
    access, refresh = log_in_for_tokens(scene, scene.person())
    keys = {"access": Key.of(settings.JWT_ACCESS_KEYS[0]), "refresh": Key.of(settings.JWT_REFRESH_KEYS[0])}
    # The same forgery with the right key is accepted, so the refusals below are due to the key.
    control = status_with_token(scene, WHOAMI, _resigned(access, keys["access"], keys["access"].kid))
    if control != 200:
        raise RuntimeError(f"A token under its own key is refused: {control}.")
    kids = [key.kid for key in keys.values()]
    as_refresh = [_ask_refresh(scene, _resigned(refresh, keys["access"], kid)) for kid in kids]
    as_access = [status_with_token(scene, WHOAMI, _resigned(access, keys["refresh"], kid)) for kid in kids]
    # The last step, because it exchanges the token.
    own = _ask_refresh(scene, _resigned(refresh, keys["refresh"], keys["refresh"].kid))
    if own != 200:
        raise RuntimeError(f"A refresh token under its own key is refused: {own}.")
    text = f"Refresh tokens by the access key: {listed(as_refresh)}; by their own: {own}. "
    text += f"Access tokens by the refresh key: {listed(as_access)}; by their own: {control}."
    statuses = as_refresh + as_access
    return Seen(set(statuses) != {401}, text, {"statuses": statuses})


def _resigned(token: str, key: Key, kid: str) -> str:
    header, claims = opened(token)
    return with_hmac(header | {"kid": kid}, claims, key.signing)


def _ask_refresh(scene: Scene, token: str) -> int:
    return scene.ask("POST", scene.url(REFRESH), {conf.JWT_REFRESH_COOKIE_NAME: token}).status_code


def _legitimate(scene: Scene) -> Seen:
    alice = scene.person()
    session = status_with_session(scene, log_in(scene, alice))
    access, refresh = log_in_for_tokens(scene, alice)
    token, renewed = status_with_token(scene, WHOAMI, access), _ask_refresh(scene, refresh)
    text = f"Alice's session: {session}. Her access token: {token}. Her refresh token: {renewed}."
    return Seen({session, token, renewed} == {200}, text)


def _case(name: str, tried: str, succeeds: bool, run: Callable[[Scene], Seen]) -> Case:
    return Case(f"secret/{name}", Variant(name.rpartition("/")[2]), tried, succeeds, run)


register(
    [
        _case("signed-cookie/weak", "A session cookie of signed data is forged with a guessed key", True, _weak_cookie),
        _case("unsigned-cookie/weak", "A session cookie without a signature is edited", True, _unsigned_cookie),
        _case("random-id/ours", "A session is forged with the leaked SECRET_KEY", False, _our_id),
        _case("one-key/weak", "Whoever knows the key of one kind of token forges the other", True, _weak_keys),
        _case("one-key/ours", "Each kind of token is signed with the key of the other", False, _our_keys),
        _case("legitimate", "Alice uses her session and both of her tokens", True, _legitimate),
    ]
)

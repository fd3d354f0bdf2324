"""The settings of a project: every key has an effect, or is refused with a sentence that says what to write instead."""

import ast
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from pytest_django import Settings
from rest_framework_simplejwt.exceptions import AuthenticationFailed
from rest_framework_simplejwt.settings import DEFAULTS, REMOVED_SETTINGS

import accounts.checks
from accounts.models import User
from jwt_demo import conf as jwt_settings
from jwt_demo.checks import MOVED, configuration
from jwt_demo.conf import PROJECT
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.conf import simple_jwt as in_use
from jwt_demo.revocation import CHECKS
from jwt_demo.schema import BearerScheme
from jwt_demo.simplejwt import KEYS, TAKEN, Verdict
from jwt_demo.tokens import AccessToken, RefreshToken
from security.conf import conf as security_conf
from security.models import UserAccess
from security.revocation import revoke_access
from sessions_demo.conf import conf as session_conf
from tests.access import version_of
from tests.config.test_settings import GOOD, run
from tests.conftest import Clock
from tests.jwt_demo.conftest import LOGOUT, WHOAMI, Holder, logged_in
from tests.running import ROOT

Change = Callable[..., None]
PAGE = (ROOT / "docs" / "settings.md").read_text()
HONOURED = [name for name, key in KEYS.items() if key.verdict is Verdict.HONOURED]
REFUSED = [name for name, key in KEYS.items() if key.verdict is not Verdict.HONOURED]


def whoami(token: object, **extra: Any) -> int:
    return int(Holder().call("GET", WHOAMI, access=str(token), **extra).status_code)


# ── The table ─────────────────────────────────────────────────────────────────────────────────


def test_every_key_of_simplejwt_is_in_the_table_and_each_honoured_one_has_a_default() -> None:
    assert KEYS.keys() - {"ON_LOGIN_SUCCESS", "ON_LOGIN_FAILED"} == {*DEFAULTS, *REMOVED_SETTINGS}
    assert set(HONOURED) == in_use._defaults.keys() == EFFECTS.keys()
    assert all(KEYS[name].takes(in_use._defaults[name]) for name in HONOURED)


@pytest.mark.parametrize("name", REFUSED)
def test_a_key_without_effect_is_refused_with_what_to_write_instead(simple_jwt: Change, name: str) -> None:
    for value in {"ROTATE_REFRESH_TOKENS": (False,), "CHECK_USER_IS_ACTIVE": (False,)}.get(name, ("other", 7)):
        simple_jwt(**{name: value})
        (error,) = configuration(None)
        assert error.id == ("jwt.E008" if name in ("TOKEN_TYPE_CLAIM", "JTI_CLAIM") else "jwt.E012")
        assert f'SIMPLE_JWT["{name}"]' in error.msg
        assert re.search(r"\b[Ww]rite\b|Leave it out", str(error.hint))


HARMLESS = {
    "ROTATE_REFRESH_TOKENS": [True],
    "BLACKLIST_AFTER_ROTATION": [True],
    "SIGNING_KEY": [None],
    "ALGORITHM": [],
    **{name: [] for name in REMOVED_SETTINGS},
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_key_that_says_what_is_so_is_taken(simple_jwt: Change, name: str) -> None:
    for value in HARMLESS.get(name, [DEFAULTS[name]] if name in DEFAULTS else []):
        simple_jwt(**{name: value})
        assert configuration(None) == []


@pytest.mark.parametrize("name", ["ALGORITHM", "SIGNING_KEY", "ROTATE_REFRESH_TOKENS", "BLACKLIST_AFTER_ROTATION"])
def test_simplejwts_own_default_is_refused_where_it_is_not_so_here(simple_jwt: Change, name: str) -> None:
    simple_jwt(**{name: DEFAULTS[name]})
    assert [error.id for error in configuration(None)] == ["jwt.E012"]


WRONG: dict[str, list[Any]] = {
    "ACCESS_TOKEN_LIFETIME": [900, 15.0, "15 minutes", None, timedelta(0), timedelta(-1), timedelta(microseconds=9)],
    "REFRESH_TOKEN_LIFETIME": [604800, "7 days", None, timedelta(0), timedelta(days=-7)],
    "UPDATE_LAST_LOGIN": [None, 1, "yes"],
    "ISSUER": [None, "", 7, ["a"], "a" * 256, "a\nb"],
    "AUDIENCE": [None, "", ["a"], ("a", "b"), "a" * 256],
    "LEEWAY": [-1, 61, None, "30", True, timedelta(seconds=61), timedelta(seconds=-1), float("nan")],
    "AUTH_HEADER_TYPES": ["", (), ("Bearer", ""), ("two words",), None, 7, ("Bearer,",), {"Bearer": 1}],
    "AUTH_HEADER_NAME": ["Authorization", "AUTHORIZATION", "HTTP_X-TOKEN", "HTTP_COOKIE", "", None],
    "USER_ID_FIELD": ["email", "", None, "username"],
    "USER_ID_CLAIM": ["", None, 7, *sorted(TAKEN)],
}


@pytest.mark.parametrize("name", HONOURED)
def test_a_value_that_a_key_cannot_have_is_refused_with_an_example(simple_jwt: Change, name: str) -> None:
    for value in WRONG[name]:
        simple_jwt(**{name: value})
        (error,) = configuration(None)
        assert (error.id, f'SIMPLE_JWT["{name}"]' in error.msg) == ("jwt.E011", True), value
        assert f'Write for example "{name}": ' in str(error.hint)


@pytest.mark.parametrize("name", HONOURED)
def test_the_example_of_a_refusal_is_taken(simple_jwt: Change, name: str) -> None:
    pair = KEYS[name].write.removeprefix("Write for example ").removesuffix(".")
    simple_jwt(**ast_dict(pair))
    assert configuration(None) == []


def ast_dict(pair: str) -> dict[str, Any]:
    value = eval(f"{{{pair}}}", {"timedelta": timedelta})  # noqa: S307  (our own text)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("keys", "fits"),
    [
        ({"ACCESS_TOKEN_LIFETIME": timedelta(minutes=1)}, True),
        ({"REFRESH_TOKEN_LIFETIME": timedelta(minutes=15)}, True),
        ({"ACCESS_TOKEN_LIFETIME": timedelta(days=8)}, False),
        ({"REFRESH_TOKEN_LIFETIME": timedelta(minutes=1)}, False),
        ({"REFRESH_TOKEN_LIFETIME": timedelta(days=31)}, False),
    ],
)
def test_lifetimes_that_do_not_fit_together_are_refused(simple_jwt: Change, keys: dict[str, Any], fits: bool) -> None:
    simple_jwt(**keys)
    assert [error.id for error in configuration(None)] == ([] if fits else ["jwt.E004"])


# ── What each honoured key changes, in real tokens and requests ───────────────────────────────


def access_token_lifetime(alice: User, simple_jwt: Change, clock: Clock) -> None:
    simple_jwt(ACCESS_TOKEN_LIFETIME=timedelta(seconds=30))
    holder = Holder()
    assert holder.sign_in().json()["expiresIn"] == 30
    assert holder.claims["exp"] - holder.claims["iat"] == 30 == AccessToken.lifetime.total_seconds()
    made = AccessToken.for_user(alice)
    clock(29)
    assert (holder.whoami(), whoami(made)) == (200, 200)
    clock(30)
    assert (holder.whoami(), whoami(made)) == (401, 401)


def refresh_token_lifetime(alice: User, simple_jwt: Change, clock: Clock) -> None:
    simple_jwt(REFRESH_TOKEN_LIFETIME=timedelta(hours=1))
    holder = logged_in()
    token = RefreshToken(holder.refresh)
    assert token["exp"] - token["iat"] == 3600 == RefreshToken.lifetime.total_seconds()
    clock(3599)
    assert holder.rotate().status_code == 200
    clock(2 * 3599 + 1)
    assert holder.rotate().status_code == 401


def update_last_login(alice: User, simple_jwt: Change, clock: Clock) -> None:
    simple_jwt(UPDATE_LAST_LOGIN=False)
    logged_in()
    logged_in(refresh=False)
    alice.refresh_from_db()
    assert alice.last_login is None
    simple_jwt(UPDATE_LAST_LOGIN=True)
    logged_in()
    alice.refresh_from_db()
    assert alice.last_login is not None


def issuer(alice: User, simple_jwt: Change, clock: Clock) -> None:
    _is_in_both("iss", "ISSUER", "https://other.example.org", simple_jwt)


def audience(alice: User, simple_jwt: Change, clock: Clock) -> None:
    _is_in_both("aud", "AUDIENCE", "https://other.example.org/api", simple_jwt)


def _is_in_both(claim: str, key: str, value: str, simple_jwt: Change) -> None:
    before = logged_in()
    simple_jwt(**{key: value})
    after = logged_in()
    assert after.claims[claim] == RefreshToken(after.refresh)[claim] == value
    assert (before.whoami(), before.rotate().status_code) == (401, 401)
    assert after.rotate().status_code == 200


def leeway(alice: User, simple_jwt: Change, clock: Clock) -> None:
    for value, seconds in ((0, 0), (30, 30), (60, 60), (timedelta(seconds=45), 45)):
        simple_jwt(LEEWAY=value)
        for ahead, status in ((seconds, 200), (seconds + 1, 401)):
            token = AccessToken.for_user(alice)
            token["iat"] += ahead
            assert whoami(token) == status, (value, ahead)
        token = AccessToken.for_user(alice)
        token["exp"] = token["iat"]
        assert whoami(token) == 401, "a leeway must not move the end"


def auth_header_types(alice: User, simple_jwt: Change, clock: Clock) -> None:
    token = AccessToken.for_user(alice)
    for types, good in ((("JWT", "Token"), ("JWT", "jwt", "TOKEN")), ("Sesame", ("Sesame", "sesame"))):
        simple_jwt(AUTH_HEADER_TYPES=types)
        assert [whoami("", headers={"Authorization": f"{word} {token}"}) for word in good] == [200] * len(good)
        assert whoami(token) == 401, "Bearer is none of them"
        anonymous = Holder().call("GET", WHOAMI)
        assert anonymous.headers["WWW-Authenticate"] == f'{good[0]} realm="jwt"'
        wrong = Holder().call("GET", WHOAMI, headers={"Authorization": f"{good[0]} {token}x"})
        assert wrong.headers["WWW-Authenticate"] == f'{good[0]} realm="jwt", error="invalid_token"'


def auth_header_name(alice: User, simple_jwt: Change, clock: Clock) -> None:
    token = AccessToken.for_user(alice)
    assert BearerScheme.get_security_definition(None, None)["scheme"] == "bearer"  # type: ignore[arg-type]
    simple_jwt(AUTH_HEADER_NAME="HTTP_X_ACCESS_TOKEN")
    assert whoami("", headers={"X-Access-Token": f"Bearer {token}"}) == 200
    assert whoami(token) == 401
    assert BearerScheme.get_security_definition(None, None)["name"].lower() == "x-access-token"  # type: ignore[arg-type]
    holder = logged_in_without_whoami()
    assert holder.call("POST", LOGOUT, headers={"X-Access-Token": f"Bearer {holder.access}"}).status_code == 200
    assert whoami("", headers={"X-Access-Token": f"Bearer {holder.access}"}) == 401


def logged_in_without_whoami() -> Holder:
    holder = Holder()
    assert holder.sign_in().status_code == 200
    return holder


def user_id_claim(alice: User, simple_jwt: Change, clock: Clock) -> None:
    before = logged_in()
    simple_jwt(USER_ID_CLAIM="user_id")
    assert (before.whoami(), before.rotate().status_code) == (401, 401)
    holder = logged_in()
    for claims in (AccessToken(holder.access).payload, RefreshToken(holder.refresh).payload):
        assert ("sub" in claims, claims["user_id"]) == (False, str(alice.pk))
    assert holder.rotate().status_code == 200
    for check in CHECKS:
        with override_settings(JWT_REVOCATION=check):
            assert Holder().call("GET", WHOAMI, access=holder.access).json()["userId"] == str(alice.pk)
    short = logged_in(refresh=False)
    for one in (holder, short):
        assert one.call("POST", LOGOUT).status_code == 200
        assert one.whoami() == 401


def user_id_field(alice: User, simple_jwt: Change, clock: Clock) -> None:
    for name in ("pk", "id"):
        simple_jwt(USER_ID_FIELD=name)
        assert configuration(None) == []
        assert AccessToken.for_user(alice)["sub"] == str(getattr(alice, name))


EFFECTS = {
    function.__name__.upper(): function
    for function in (
        access_token_lifetime,
        refresh_token_lifetime,
        update_last_login,
        issuer,
        audience,
        leeway,
        auth_header_types,
        auth_header_name,
        user_id_claim,
        user_id_field,
    )
}


@pytest.mark.parametrize("name", HONOURED)
def test_an_honoured_key_changes_what_it_should(alice: User, simple_jwt: Change, clock: Clock, name: str) -> None:
    EFFECTS[name](alice, simple_jwt, clock)


def test_what_a_project_leaves_out_has_the_default_here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in HONOURED:
        monkeypatch.delitem(settings.SIMPLE_JWT, name, raising=False)
    assert (jwt_settings.access_lifetime(), jwt_settings.refresh_lifetime()) == (15 * 60, 7 * 24 * 60 * 60)
    assert (PROJECT, f"{PROJECT}/jwt", "sub") == (in_use.ISSUER, in_use.AUDIENCE, in_use.USER_ID_CLAIM)
    assert configuration(None) == []
    with pytest.raises(AttributeError):
        _ = in_use.ALGORITHM


# ── Names ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("ACCESS_TOKEN_LIFETIM", 'Write "ACCESS_TOKEN_LIFETIME" in'),
        ("ACCES_TOKEN_LIFETIME", 'Write "ACCESS_TOKEN_LIFETIME" in'),
        ("ROTATE_REFRESH_TOKEN", 'Write "ROTATE_REFRESH_TOKENS" in'),
        ("BLACKLIST_AFTER_ROTATIONS", 'Write "BLACKLIST_AFTER_ROTATION" in'),
        ("SIGNING_KEYS", 'Write "SIGNING_KEY" in'),
        ("ALGORITM", 'Write "ALGORITHM" in'),
        ("JWT_LEEWAY", 'Write "LEEWAY" in'),
        ("JWT_GRACE_PERIOD", "JWT_GRACE_PERIOD is a setting of its own, beside SIMPLE_JWT."),
        ("GRACE_PERIOD", "JWT_GRACE_PERIOD is a setting of its own, beside SIMPLE_JWT."),
        ("FOO", "Leave it out."),
        ("", "Leave it out."),
        (7, "Leave it out."),
    ],
)
def test_a_key_that_simplejwt_does_not_know_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: Any, instead: str
) -> None:
    monkeypatch.setitem(settings.SIMPLE_JWT, name, timedelta(minutes=1))
    (error,) = configuration(None)
    assert (error.id, f'"{name}"' in error.msg, str(error.hint).startswith(instead)) == ("jwt.E012", True, True)


@pytest.mark.parametrize("value", [["ISSUER"], "ISSUER", 7, ("ISSUER", "x")])
def test_a_simple_jwt_that_is_no_dict_is_refused_with_an_example(
    monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    """It is refused on import, because SimpleJWT would fail before a check can run."""
    monkeypatch.setattr(jwt_settings, "setting", lambda name, default: value)
    with pytest.raises(ImproperlyConfigured, match=r"^SIMPLE_JWT must be a dict\. Write for example SIMPLE_JWT = \{"):
        jwt_settings.in_simple_jwt()
    for none in (None, {}):
        monkeypatch.setattr(jwt_settings, "setting", lambda name, default, none=none: none)
        assert jwt_settings.in_simple_jwt() == {}


def test_a_simple_jwt_that_is_no_dict_is_refused_before_simplejwt_reads_it(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text("from config.settings import *\nSIMPLE_JWT = ['ISSUER']\n")
    path = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "DJANGO_SETTINGS_MODULE": "theirs"}
    ended = run("manage.py", "check", environment=GOOD | path)
    (sentence,) = ended.stderr.splitlines()
    assert (ended.returncode, sentence.startswith("SIMPLE_JWT must be a dict. Write")) == (1, True)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("JWT_ACCESS_LIFETIME", '"ACCESS_TOKEN_LIFETIME": timedelta('),
        ("JWT_REFRESH_LIFETIME", '"REFRESH_TOKEN_LIFETIME": timedelta('),
        ("JWT_ISSUER", '"ISSUER": '),
        ("JWT_AUDIENCE", '"AUDIENCE": '),
        ("JWT_ACCESS_TOKEN_LIFETIME", 'SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]'),
        ("JWT_LEEWAY", 'SIMPLE_JWT["LEEWAY"]'),
        ("JWT_AUTH_HEADER_TYPES", 'SIMPLE_JWT["AUTH_HEADER_TYPES"]'),
        ("JWT_GRACE_PERIODE", "JWT_GRACE_PERIOD"),
        ("JWT_ACCESS_KEY", "JWT_ACCESS_KEYS"),
        ("JWT_REVOKATION", "JWT_REVOCATION"),
        ("JWT_REFRESH_COOKIE", "JWT_REFRESH_COOKIE_NAME"),
    ],
)
def test_a_name_of_ours_that_is_misspelt_or_given_up_is_refused(settings: Settings, name: str, instead: str) -> None:
    setattr(settings, name, "x")
    (error,) = configuration(None)
    assert (error.id, name in error.msg, instead in str(error.hint)) == ("jwt.E013", True, True)
    if name in MOVED:
        assert "SIMPLE_JWT" in str(error.hint)
    assert "add jwt.E013 to SILENCED_SYSTEM_CHECKS" in str(error.hint)


def test_names_of_other_libraries_are_left_alone(settings: Settings) -> None:
    """Names of djangorestframework-jwt, of dj-rest-auth, and of a project that uses PyJWT itself."""
    theirs = """
        JWT_AUTH JWT_SECRET JWT_SECRET_KEY JWT_SIGNING_KEY JWT_ALGORITHM JWT_PUBLIC_KEY JWT_PRIVATE_KEY
        JWT_AUTH_COOKIE JWT_AUTH_REFRESH_COOKIE JWT_AUTH_REFRESH_COOKIE_PATH JWT_AUTH_SECURE JWT_AUTH_HTTPONLY
        JWT_AUTH_SAMESITE JWT_AUTH_RETURN_EXPIRATION JWT_SERIALIZER JWT_SERIALIZER_WITH_EXPIRATION
        JWT_TOKEN_CLAIMS_SERIALIZER JWT_VERIFY_EXPIRATION JWT_EXPIRATION_DELTA JWT_REFRESH_EXPIRATION_DELTA
        JWT_ACCESS_TOKEN_EXPIRES JWT_REFRESH_TOKEN_EXPIRES JWT_ACCESS_COOKIE_NAME JWT_COOKIE_NAME"""
    for name in theirs.split():
        setattr(settings, name, "x")
    assert configuration(None) == []


# ── Every refusal says what to write ──────────────────────────────────────────────────────────

BROKEN: list[dict[str, Any]] = [
    {"JWT_ACCESS_KEYS": ["hunter2"]},
    {"JWT_ACCESS_KEYS": jwt_conf.JWT_REFRESH_KEYS},
    {"JWT_REFRESH_COOKIE_NAME": "refresh"},
    {"JWT_REFRESH_ALGORITHM": "ES256"},
    {"JWT_KEYS_PENDING": 60},
    {"JWT_ABSOLUTE_LIFETIME": timedelta(days=30)},
    {"JWT_ABSOLUTE_LIFETIME": 60},
    {"JWT_REVOCATION": "none"},
    {"JWT_DENYLIST_CACHE_ALIAS": "none"},
    {"JWT_ISSUER": "x"},
    {"JWT_REFRESH_KEY": "x"},
    {"JWT_LEEWAY": 10},
    {"JWT_ACCESS_KEYS": None},
    {"JWT_DENYLIST_LEASE": 0},
    {"MIDDLEWARE": []},
    {"ALLOWED_HOSTS": ["*"]},
    {"ALLOWED_HOSTS": ["login.example.org"]},
    {"SITE_URL": "ftp://example.org"},
    {"DEMO": False, "EMAIL_URL": ""},
    {"EMAIL_URL": "smtps://mail.example.org"},
    {"DEFAULT_FROM_EMAIL": "post@straße.example"},
    {"SECURE_HSTS_PRELOAD": True},
]
BROKEN_KEYS: list[dict[str, Any]] = [
    {"ACCESS_TOKEN_LIFETIME": 900},
    {"TOKEN_TYPE_CLAIM": "typ"},
    {"CHECK_REVOKE_TOKEN": True},
    {"ACCESS_TOKEN_LIFETIM": 900},
    {"JWT_GRACE_PERIOD": 1},
    {"FOO": 1},
]


def test_every_refusal_says_what_to_write_and_where(
    settings: Settings, simple_jwt: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = []
    for values in BROKEN:
        with override_settings(**values):
            errors += [*configuration(None), *accounts.checks.configuration(None)]
    for keys in BROKEN_KEYS:
        with monkeypatch.context() as patch:
            for name, value in keys.items():
                patch.setitem(settings.SIMPLE_JWT, name, value)
            errors += configuration(None)
    monkeypatch.setattr("jwt_demo.revocation.evicts", lambda: "allkeys-lru")
    errors += configuration(None)
    sources = [(ROOT / app / "checks.py").read_text() for app in ("jwt_demo", "accounts")]
    named = set(re.findall(r'"((?:jwt|accounts)\.E\d+)"', "".join(sources))) | {key.check for key in KEYS.values()}
    assert {error.id for error in errors} == named
    for error in errors:
        place = r"[A-Z]+_[A-Z_]+|SIMPLE_JWT|MIDDLEWARE|CACHES|DEMO|maxmemory-policy"
        assert re.search(r"\b[Ww]rite\b|^Leave it out\.$", str(error.hint)), error
        assert re.search(place, f"{error.msg} {error.hint}"), error
        assert len(str(error.msg)) > 40, error


def test_no_refusal_is_made_without_what_to_write() -> None:
    for app in ("jwt_demo", "accounts"):
        tree = ast.parse((ROOT / app / "checks.py").read_text())
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        calls = [call for call in calls if getattr(call.func, "id", "") == "Error"]
        assert calls
        assert all("hint" in {keyword.arg for keyword in call.keywords} for call in calls)


# ── Tokens for tests and scripts ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("check", CHECKS)
def test_an_access_token_that_was_made_for_a_user_works(
    alice: User, settings: Settings, check: str, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    settings.JWT_REVOCATION = check
    token = AccessToken.for_user(alice)
    assert AccessToken(str(token)).payload.keys() == AccessToken.claims.keys()
    assert token["iat"] == token["exp"] - 900
    assert token["iat"] - token["auth_time"] in (0, 1)
    assert token["role"] == alice.role
    answer = Holder().call("GET", WHOAMI, access=str(token))
    assert (answer.status_code, answer.json()["userId"]) == (200, str(alice.pk))
    assert AccessToken.for_user(alice)["sid"] != token["sid"]
    assert logged_in().whoami() == 200
    if check != "expiry":
        with django_capture_on_commit_callbacks(execute=True):
            revoke_access(alice, "test")
        assert whoami(token) == 401
        assert whoami(AccessToken.for_user(alice)) == 200


@pytest.mark.parametrize("check", CHECKS)
def test_it_works_for_a_user_who_is_older_than_these_apps(alice: User, settings: Settings, check: str) -> None:
    settings.JWT_REVOCATION = check
    UserAccess.objects.all().delete()
    assert whoami(AccessToken.for_user(alice)) == 200


@pytest.mark.parametrize("check", CHECKS)
def test_it_has_the_version_of_the_access_as_it_is_stored(alice: User, settings: Settings, check: str) -> None:
    settings.JWT_REVOCATION = check
    AccessToken.for_user(alice)
    assert version_of(alice) == 0
    logged_in()
    revoke_access(User.objects.get(pk=alice.pk), "elsewhere")
    token = AccessToken.for_user(alice)
    assert token["ver"] == version_of(alice) == 1
    assert whoami(token) == 200


def no_role(user: User) -> str:
    return ""


def test_a_user_may_have_no_role(alice: User, settings: Settings) -> None:
    settings.SECURITY_ROLE = f"{__name__}.no_role"
    assert whoami(AccessToken.for_user(alice)) == 200


def test_no_access_token_is_made_for_a_user_who_is_not_stored(db: None) -> None:
    with pytest.raises(ValueError, match="Save the user first"):
        AccessToken.for_user(User(email="alice@example.com"))
    assert not UserAccess.objects.exists()


def test_no_access_token_is_made_for_a_user_who_is_not_active(alice: User) -> None:
    alice.is_active = False
    with pytest.raises(AuthenticationFailed, match="inactive"):
        AccessToken.for_user(alice)


def test_such_a_token_can_be_logged_out(alice: User) -> None:
    token = AccessToken.for_user(alice)
    assert Holder().call("POST", LOGOUT, access=str(token)).status_code == 200
    assert whoami(token) == 401


def test_a_refresh_token_is_made_by_a_login_alone(alice: User) -> None:
    with pytest.raises(NotImplementedError, match=r"jwt_demo\.lifecycle\.start"):
        RefreshToken.for_user(alice)


# ── The page ──────────────────────────────────────────────────────────────────────────────────


def rows(title: str) -> dict[str, list[str]]:
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "| `" in line]
    return {name.strip("`"): rest for name, *rest in cells}


def evaluated(cell: str) -> Any:
    text = cell.strip("`").replace("mysite", PROJECT)
    return eval(text, {"timedelta": timedelta})  # noqa: S307  (our own page)


def test_the_page_says_of_each_key_of_simple_jwt_what_the_table_says() -> None:
    found = rows("The keys of `SIMPLE_JWT`")
    assert found.keys() == KEYS.keys()
    for name, (verdict, default, says) in found.items():
        key = KEYS[name]
        assert verdict == key.verdict
        assert says == (key.says if key.verdict is Verdict.HONOURED else f"{key.says} {key.write}")
        assert (default == "–") or evaluated(default) == in_use._defaults[name]
        assert (default == "–") == (key.verdict is not Verdict.HONOURED)


@pytest.mark.parametrize(
    ("title", "conf"), [("`security`", security_conf), ("`sessions_demo`", session_conf), ("`jwt_demo`", jwt_conf)]
)
def test_the_page_lists_each_setting_of_an_app_with_its_default(title: str, conf: Any) -> None:
    found = rows(title)
    assert found.keys() == conf._defaults.keys()
    for name, (default, says) in found.items():
        assert evaluated(default) == conf._defaults[name], name
        assert says.endswith("."), name

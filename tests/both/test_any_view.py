"""The two authentication classes in the views of a project (see `any_view`)."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection, models
from django.template import Context, Template
from django.test import Client
from django.urls import get_resolver
from pytest_django import Settings
from rest_framework.permissions import IsAuthenticated
from rest_framework.test import APIClient, APIRequestFactory

from accounts.models import User
from jwt_demo.authentication import JWTAuthentication
from security import authentication
from security.authentication import Revoked, TokenUser, credential_role
from security.backends import bind_session
from security.models import SecurityEvent
from security.revocation import revoke_access
from security.users import access_of
from tests.both.any_view import CLASSES, PERMISSIONS, Answers
from tests.conftest import Clock, Cost
from tests.jwt_demo.conftest import Holder
from tests.running import ROOT, Store
from tests.sessions_demo.conftest import CSRF, Visitor

pytestmark = [pytest.mark.urls("tests.both.any_view"), pytest.mark.django_db]
Measure = Callable[[], AbstractContextManager[Cost]]
WAYS = ("session", "token")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def client(way: str, email: str = "alice@example.com") -> Any:
    """A client that is logged in by a session or a token. Its first request is done, so the denylist is complete."""
    made: Any = Visitor() if way == "session" else Holder()
    assert (made.sign_in(email).status_code, made.whoami()) == (200, 200)
    return made


def takes(way: str, name: str) -> bool:
    """Whether a view with these classes accepts this kind of credential."""
    return name not in WAYS or name == way


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("permission", PERMISSIONS)
def test_without_a_credential_it_is_a_401_with_a_challenge(name: str, permission: str, alice: User) -> None:
    for anonymous in (Visitor(), Holder()):
        for method in ("GET", *UNSAFE):
            answer = anonymous.call(method, f"/by/{name}/{permission}")
            if (method, permission) == ("GET", "to-change"):
                assert answer.status_code == 200
                continue
            first = "Session" if name in ("session", "session-first") else "Bearer"
            assert (answer.status_code, answer["WWW-Authenticate"].split()[0]) == (401, first)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("way", WAYS)
def test_a_credential_opens_the_views_that_take_it(way: str, name: str, alice: User) -> None:
    member = client(way)
    for method in ("GET", *UNSAFE):
        answer = member.call(method, f"/by/{name}/authenticated")
        assert answer.status_code == (200 if takes(way, name) else 401), method
    assert takes(way, name) is False or answer.json() == {"pk": str(alice.pk)}


@pytest.mark.parametrize("name", [name for name in CLASSES if takes("session", name)])
@pytest.mark.parametrize("permission", ["authenticated", "to-change", "recent"])
def test_a_session_without_the_csrf_token_changes_nothing(name: str, permission: str, alice: User) -> None:
    member = client("session")
    for method in UNSAFE:
        answer = member.call(method, f"/by/{name}/{permission}", token="")
        assert (answer.status_code, answer.json()["detail"].startswith("CSRF check: ")) == (403, True)
    assert member.call("POST", f"/by/{name}/{permission}").status_code == 200


def test_a_token_that_is_no_good_is_not_replaced_by_a_session(alice: User) -> None:
    member, bad = client("session"), {"headers": {"Authorization": "Bearer x.y.z"}}
    assert member.call("GET", "/by/either/authenticated", **bad).status_code == 401
    # The first class that finds its credential decides.
    assert member.call("GET", "/by/session-first/authenticated", **bad).status_code == 200
    assert member.call("POST", "/by/session-first/authenticated", token="", **bad).status_code == 403


@pytest.mark.parametrize("way", WAYS)
def test_the_permissions_of_django_and_drf_see_the_user(way: str, alice: User, bob: User, admin: User) -> None:
    change = Permission.objects.get(codename="change_logentry")
    bob.user_permissions.add(change)
    seen = {}
    for user in (alice, bob, admin):
        member = client(way, user.email)
        calls = [("GET", "admin-user"), ("GET", "admin-role"), ("PUT", "model"), ("DELETE", "model")]
        seen[user.name] = [member.call(method, f"/by/{way}/{name}").status_code for method, name in calls]
    assert seen == {"Alice": [403] * 4, "Bob": [403, 403, 200, 403], "Admin": [200] * 4}


@pytest.mark.parametrize("way", WAYS)
def test_a_user_owns_what_the_user_makes(way: str, alice: User, bob: User) -> None:
    mine, other = client(way), client(way, "bob@example.com")
    made = mine.call("POST", "/any/entries", {"object_repr": "a", "action_flag": 1, "user": bob.pk})
    assert made.status_code == 201
    assert LogEntry.objects.get().user == alice
    path = f"/any/entries/{made.json()['id']}"
    assert [len(who.call("GET", "/any/entries").json()) for who in (mine, other)] == [1, 0]
    assert [other.call(method, path).status_code for method in ("GET", "PUT", "PATCH", "DELETE")] == [404] * 4
    assert mine.call("PATCH", path, {"object_repr": "b"}).json()["object_repr"] == "b"
    assert mine.call("DELETE", path).status_code == 204


@pytest.mark.parametrize(("way", "redis"), [("session", 1), ("token", 1)])
def test_the_row_costs_nothing_until_it_is_asked_for(way: str, redis: int, alice: User, measured: Measure) -> None:
    member = client(way)
    with measured() as key:
        assert member.call("GET", f"/by/{way}/authenticated").json() == {"pk": str(alice.pk)}
    with measured() as row:
        assert member.call("GET", "/named").json() == {"email": "alice@example.com"}
    with measured() as role:
        assert member.call("GET", f"/by/{way}/admin-role").status_code == 403
    assert (key.counts, row.counts, role.counts) == ((0, 0, redis), (0, 1, redis), (0, 0, redis))


def changed(user: User) -> None:
    User.objects.filter(pk=user.pk).update(role="admin")


def hidden(user: User) -> None:
    """Deactivates the user by raw SQL, which triggers no revocation."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET is_active = %s WHERE id = %s", [False, user.pk])


def gone(user: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE token_blacklist_outstandingtoken SET user_id = NULL WHERE user_id = %s", [user.pk])
        cursor.execute("DELETE FROM accounts_user WHERE id = %s", [user.pk])


def away(pk: Any) -> None:
    raise OperationalError("away")


@pytest.mark.parametrize("change", [hidden, gone])
@pytest.mark.parametrize("way", WAYS)
def test_a_row_that_does_not_stand_any_more_is_a_401(way: str, change: Callable[[User], None], alice: User) -> None:
    """A 401 in a view, in a permission and in a model permission. A view that needs no row does not read it."""
    member = client(way)
    change(alice)
    paths = ["/named", f"/by/{way}/admin-user", f"/by/{way}/model"]
    answers = [member.call("DELETE" if "model" in path else "GET", path) for path in paths]
    sentence = "Token revoked" if way == "token" else "Not authenticated"
    assert [(answer.status_code, answer.json()["detail"]) for answer in answers] == [(401, sentence)] * 3
    assert member.call("GET", f"/by/{way}/authenticated").status_code == 200


def test_a_row_at_another_version_is_a_401(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JWTAuthentication, "check", "expiry")
    holder = client("token")
    User.objects.filter(pk=alice.pk).update(role="admin")
    assert holder.call("GET", "/by/token/authenticated").status_code == 200
    assert holder.call("GET", "/named").status_code == 401
    # The browsable page names no user: the name would be looked up, and the row is at another version.
    page = holder.get(
        "/by/token/authenticated", headers={"Authorization": f"Bearer {holder.access}", "Accept": "text/html"}
    )
    assert (page.status_code, "Logged in as" in page.text) == (200, False)


def test_a_session_whose_record_stays_is_trusted_for_a_minute(alice: User, clock: Clock) -> None:
    """This holds even for an unsafe method if the view reads no row."""
    member = client("session")
    hidden(alice)
    seen = []
    for seconds in (59, 60):
        clock(seconds)
        seen.append(member.call("POST", "/by/session/authenticated").status_code)
    assert seen == [200, 401]


@pytest.fixture
def who_html(settings: Settings) -> None:
    loaders = [
        ("django.template.loaders.locmem.Loader", {"who.html": "{{ who.email }}"}),
        "django.template.loaders.filesystem.Loader",
    ]
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [engine | {"APP_DIRS": False, "OPTIONS": {"loaders": loaders}}]


@pytest.mark.parametrize("way", WAYS)
def test_a_template_that_names_a_user_who_was_revoked_is_a_401(way: str, alice: User, who_html: None) -> None:
    """The template is rendered after the view has returned, so DRF handles no exception there."""
    member = client(way)
    headers = {"Authorization": f"Bearer {member.access}"} if way == "token" else {}
    assert member.get("/rendered", headers=headers).text == "alice@example.com"
    hidden(alice)
    answer = member.get("/rendered", headers=headers)
    challenge = 'Bearer realm="jwt", error="invalid_token"' if way == "token" else 'Session realm="session"'
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, challenge)


def test_a_template_that_names_a_user_in_an_outage_is_a_503(
    alice: User, who_html: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = client("session")
    monkeypatch.setattr(authentication, "get_user", away)
    answer = member.get("/rendered")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("way", WAYS)
def test_a_middleware_of_the_project_that_names_the_user_is_no_500(way: str, alice: User, settings: Settings) -> None:
    """Neither DRF nor any `process_exception` handles an exception there."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.both.any_view.LogMiddleware"]
    member = client(way)
    assert member.call("GET", f"/by/{way}/authenticated")["X-User"] == "alice@example.com"
    hidden(alice)
    assert member.call("GET", f"/by/{way}/authenticated").status_code == 400


@pytest.mark.parametrize("way", WAYS)
def test_the_proof_of_a_password_is_recent_for_five_minutes(way: str, alice: User, clock: Clock) -> None:
    member, seen = client(way), []
    for seconds in (0, 300, 301):
        clock(seconds)
        seen.append(member.call("GET", f"/by/{way}/recent").status_code)
    refused = member.call("GET", f"/by/{way}/recent").json()["detail"]
    flow = "session" if way == "session" else "jwt"
    assert member.call("POST", f"/{flow}/auth/reauthenticate", {"password": "correct horse alice"}).status_code == 200
    assert (seen, member.call("GET", f"/by/{way}/recent").status_code) == ([200, 200, 403], 200)
    assert refused.startswith("Prove your password again")


@pytest.mark.parametrize("way", WAYS)
def test_an_upload_arrives(way: str, alice: User) -> None:
    member = client(way)
    headers = (
        {"X-CSRFToken": member.cookies[CSRF].value}
        if way == "session"
        else {"Authorization": f"Bearer {member.access}"}
    )
    answer = member.post("/upload", {"file": SimpleUploadedFile("a", b"x" * 5000)}, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"size": 5000, "by": alice.pk})
    assert member.post("/upload", {"file": SimpleUploadedFile("a", b"x")}).status_code == (
        403 if way == "session" else 401
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_throttle_counts_each_user(way: str, alice: User, bob: User) -> None:
    mine, other = client(way), client(way, "bob@example.com")
    assert [mine.call("GET", "/throttled").status_code for _ in range(3)] == [200, 200, 429]
    assert other.call("GET", "/throttled").status_code == 200


@pytest.mark.parametrize("way", WAYS)
def test_a_function_view_is_like_any_other(way: str, alice: User) -> None:
    member = client(way)
    assert [member.call(method, "/function").status_code for method in ("GET", "POST")] == [200, 200]
    assert Visitor().call("GET", "/function").status_code == 401


@pytest.mark.parametrize("way", WAYS)
def test_what_a_view_wrote_before_it_failed_is_rolled_back(
    way: str, transactional_db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, alice: User
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    member = client(way)
    for path in (f"/breaks/{way}", "/breaks/either"):
        assert member.call("POST", path).status_code == 400
    assert not LogEntry.objects.exists()
    # A failed login is still recorded.
    assert member.sign_in(password="wrong").status_code == 401
    assert SecurityEvent.objects.filter(name=SecurityEvent.Name.LOGIN_FAIL).count() == 1


@pytest.mark.parametrize("name", CLASSES)
def test_while_redis_is_away_it_is_a_503_and_the_credential_stays(name: str, alice: User, store: Store) -> None:
    members = [client(way) for way in WAYS if takes(way, name)]
    store.kill()
    for member in members:
        answer = member.call("GET", f"/by/{name}/authenticated")
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert answer.json() == {"detail": "Unavailable for a moment"}
        assert not answer.cookies
    store.start()
    assert Visitor().call("GET", f"/by/{name}/authenticated").status_code == 401


@pytest.mark.parametrize("way", WAYS)
def test_while_the_database_is_away_the_row_is_a_503(way: str, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    member = client(way)
    monkeypatch.setattr(authentication, "get_user", away)
    assert [member.call("GET", path).status_code for path in ("/named", f"/by/{way}/authenticated")] == [503, 200]


def test_django_takes_the_user_of_a_session_for_what_it_is(alice: User) -> None:
    member = client("session")
    assert member.call("POST", "/leaves").json() == {"email": "alice@example.com"}
    assert member.whoami() == 200
    # A plain Django view compares the hash that the session now has.
    assert member.get("/plain").json() == {"email": "alice@example.com"}
    assert member.call("DELETE", "/leaves").status_code == 200
    assert member.whoami() == 401


# ── In the tests of a project ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["whoami", "profile", "devices"])
@pytest.mark.parametrize("flow", ["session", "jwt"])
def test_a_user_by_force_is_let_in_everywhere(flow: str, path: str, alice: User) -> None:
    forced = APIClient()
    forced.force_authenticate(alice)
    assert forced.get(f"/{flow}/api/{path}").status_code == 200
    assert forced.get(f"/{flow}/api/staff").status_code == 403
    assert forced.delete(f"/{flow}/api/devices").json()["ended"] == 0


def test_a_user_by_force_owns_and_may_what_the_user_may(alice: User, admin: User) -> None:
    forced = APIClient()
    forced.force_authenticate(alice)
    assert forced.post("/any/entries", {"object_repr": "a", "action_flag": 1}, format="json").status_code == 201
    assert LogEntry.objects.get().user == alice
    # Forced authentication proves no password, so these views refuse it.
    assert [forced.get(f"/by/either/{name}").status_code for name in ("admin-role", "recent")] == [403, 403]
    forced.force_authenticate(admin)
    assert forced.get("/by/either/admin-role").status_code == 200


def test_a_forced_login_is_a_real_session(alice: User, django_capture_on_commit_callbacks: Any) -> None:
    forced = Client()
    forced.force_login(alice)
    assert forced.get("/by/session/authenticated").status_code == 200
    assert len(forced.get("/session/api/devices").json()["devices"]) == 1
    alice.is_active = False
    with django_capture_on_commit_callbacks(execute=True):
        alice.save()
    assert forced.get("/by/session/authenticated").status_code == 401


def test_a_user_is_logged_in_by_force_after_other_permissions(alice: User) -> None:
    """The change of permissions has raised `token_version` since this instance was read."""
    alice.user_permissions.add(Permission.objects.get(codename="change_logentry"))
    User.objects.filter(pk=alice.pk).update(role="admin")
    forced = Client()
    forced.force_login(alice)
    assert forced.get("/by/session/model").status_code == 200


def test_a_user_who_was_saved_is_logged_in_by_force_after_other_permissions(alice: User) -> None:
    alice.save()
    alice.user_permissions.add(Permission.objects.get(codename="change_logentry"))
    forced = Client()
    forced.force_login(alice)
    assert forced.get("/by/session/model").status_code == 200


# ── The user ──────────────────────────────────────────────────────────────────────────────────


def user_of(user: User) -> TokenUser:
    return TokenUser(user.pk, user.role, 0, 0, partial(Revoked, "Token revoked", "Bearer"))


def test_the_user_is_one_of_the_model(alice: User, bob: User, django_assert_num_queries: Any) -> None:
    mine = user_of(alice)
    with django_assert_num_queries(0):
        assert (mine.pk, mine.role, mine.is_authenticated, mine.is_anonymous, bool(mine)) == (
            alice.pk, "member", True, False, True
        )  # fmt: skip
        assert isinstance(mine, User)
        assert Template("{{ user.pk }} {{ user.role }}").render(Context({"user": mine})) == f"{alice.pk} member"
    with django_assert_num_queries(1):
        assert (mine, mine.email, str(mine), hash(mine)) == (alice, "alice@example.com", str(alice), hash(alice))
    assert mine != bob
    mine.name = "Alice the Second"
    mine.save()
    alice.refresh_from_db()
    assert alice.name == "Alice the Second"
    mine.role = "admin"
    assert mine.role == "admin"


@pytest.mark.parametrize(
    ("role", "own"),
    [
        (models.CharField(max_length=9), False),
        (models.IntegerField(), True),
        (models.ForeignKey("auth.Group", models.CASCADE), True),
    ],
    ids=["text", "number", "relation"],
)
def test_a_role_of_the_model_that_is_no_text_stays_the_models_own(
    alice: User, monkeypatch: pytest.MonkeyPatch, role: Any, own: bool
) -> None:
    get_field = User._meta.get_field
    monkeypatch.setattr(User._meta, "get_field", lambda name: role if name == "role" else get_field(name))
    role.concrete = True
    mine = TokenUser(alice.pk, "of the token", 0, 0, partial(Revoked, "Token revoked", "Bearer"))
    assert (mine.role, credential_role(mine)) == (alice.role if own else "of the token", "of the token")


def test_a_role_of_the_model_stays_where_the_project_names_another(alice: User, settings: Settings) -> None:
    settings.SECURITY_ROLE = "tests.both.any_view.role"
    mine = TokenUser(alice.pk, "of the token", 0, 0, partial(Revoked, "Token revoked", "Bearer"))
    assert (mine.role, credential_role(mine)) == ("member", "of the token")


def test_a_view_can_be_called_past_all_middleware() -> None:
    """Requests of DRF's `APIRequestFactory` pass no middleware."""
    for kind in CLASSES.values():
        view = Answers.as_view(authentication_classes=kind, permission_classes=[IsAuthenticated])
        assert view(APIRequestFactory().get("/")).status_code == 401


def test_what_is_done_to_the_user_of_a_request_is_done_to_its_row(alice: User) -> None:
    mine = user_of(alice)
    assert access_of(mine).token_version == 0
    revoke_access(mine, "phone stolen")
    assert access_of(mine).token_version == 1


def test_a_session_of_another_backend_is_bound_to_the_user_of_a_request(alice: User) -> None:
    session = {BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend", HASH_SESSION_KEY: "old"}
    bind_session(session, user_of(alice))
    assert session[HASH_SESSION_KEY] == User.get_session_auth_hash(alice)


@pytest.mark.parametrize(
    "name", ["sessions_demo.authentication.SessionAuthentication", "jwt_demo.authentication.JWTAuthentication"]
)
def test_a_class_can_be_the_default_of_a_project(name: str) -> None:
    """In a process of its own, because the order of imports differs from project to project."""
    code = f"""
import os, django
from django.conf import settings
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
settings.REST_FRAMEWORK = {{"DEFAULT_AUTHENTICATION_CLASSES": ["{name}"]}}
django.setup()
from rest_framework.views import APIView
print(APIView.authentication_classes)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert name in done.stdout, done.stderr


def test_what_our_own_views_write_before_they_refuse_is_kept() -> None:
    """Each view of this project that writes commits by itself, even with ATOMIC_REQUESTS (see `non_atomic`)."""
    views = {}
    for flow in ("session/", "jwt/"):
        [part] = [one for one in get_resolver("config.urls").url_patterns if str(one.pattern) == flow]
        views |= {f"{flow}{one.pattern}": one.callback for one in part.url_patterns if hasattr(one.callback, "cls")}
    writes = {path for path, view in views.items() if {"post", "delete"} & {*dir(view.cls)}}
    assert len(writes) == 15
    assert {path for path, view in views.items() if getattr(view, "_non_atomic_requests", ())} == writes

"""Projects of other people that take the parts as docs/take-a-part.md says: what they get, and what does not change."""

import base64
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests import records
from tests.adopters.host import README, Host, typed
from tests.site.holder import REFRESH, WHOAMI, Holder
from tests.site.member import Answer, Member
from tests.site.visitor import Visitor

pytestmark = pytest.mark.site
SESSIONS, TOKENS = "Sessions", "Tokens"
PASSWORD = "correct horse battery"
# Users whose hash by the project's own hasher is made once. The first user is an administrator.
USERS = f"""
from django.contrib.auth.models import Group
from django.contrib.auth.hashers import make_password
encoded = make_password("{PASSWORD}")
User.objects.bulk_create(User(username=f"user{{n}}", password=encoded) for n in range(NUMBER))
User.objects.filter(username="user0").update(is_staff=True, is_superuser=True)
Group.objects.create(name="buyers").user_set.set(User.objects.filter(username="user1"))
found = encoded
"""
# A session and a token family for each user but the first. No password is checked: the hashes would take a minute.
DEVICES = """
from django.test import RequestFactory
from security.client import Client
from jwt_demo import lifecycle as tokens
from sessions_demo import lifecycle as sessions
from sessions_demo.store import SessionStore
found = {}
for user in User.objects.exclude(username="user0"):
    request = RequestFactory().post("/")
    request.session = SessionStore()
    sessions.start(request, user, False)
    request.session.save()
    issued = tokens.start(user, Client(user_agent="holder/1.0"))
    found[user.username] = request.session.session_key, str(issued.family.token()), str(issued.access)
"""
PEOPLE = """
INSTALLED_APPS += ["people"]
AUTH_USER_MODEL = "people.Member"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "shop.backends.Elsewhere"]
DATABASES["default"]["ATOMIC_REQUESTS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
"""
ELSEWHERE = 'AUTHENTICATION_BACKENDS += ["shop.backends.Elsewhere"]\n'
BLACKLIST = "from rest_framework_simplejwt.token_blacklist.models import OutstandingToken"
STOCK = """
from rest_framework_simplejwt.tokens import RefreshToken
found = str(RefreshToken.for_user(User.objects.get()))
"""
BY_TOKEN = """
from jwt_demo.authentication import JWTAuthentication
from shop.views import Echo
urlpatterns += [path("by-token", Echo.as_view(authentication_classes=[JWTAuthentication]))]
"""
TAKEN = "security|sessions_demo|jwt_demo|token_blacklist"


@contextmanager
def project(users: int, settings: str = "") -> Iterator[Host]:
    """A running project, whose users' passwords are hashed by its own hasher."""
    with Host(settings) as host:
        assert host.shell(USERS.replace("NUMBER", str(users))).startswith("pbkdf2_sha256$1")
        host.start()
        yield host


def take_both(host: Host, more: str = "") -> None:
    """The project takes both parts, with more settings of its own after them, and listens to a signal."""
    host.stop()
    host.store.start()
    host.take(SESSIONS, "security", "sessions_demo")
    host.take(TOKENS, "security", "jwt_demo")
    host.type(host.settings, more)
    host.type(host.urls, "import shop.receivers")
    [view] = typed("Protect your own API", document=README)
    host.type(host.urls, f'{view}\nurlpatterns += [path("orders", Orders.as_view())]')
    host.start()


def shown(answer: Any) -> tuple[Any, ...]:
    """An answer for comparison, without secrets and without the admin's rows for the tables of the parts."""
    text = re.sub(rf'<div class="app-({TAKEN}) module.*?</table>\s*</div>', "", answer.text, flags=re.S)
    text = re.sub(r"\b[a-zA-Z0-9]{64}\b", "SECRET", text)
    headers = {name: answer.headers.get(name) for name in ("Content-Type", "Location", "Allow", "X-Frame-Options")}
    return answer.status, headers, re.sub(r"\s+", " ", text)


def answers(host: Host, admin_path: str) -> dict[str, tuple[Any, ...]]:
    """The answers of the project's own views and its admin, to an anonymous client and to an administrator."""
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    stranger, admin, found = Visitor(host), Visitor(host), {}
    assert admin.submit("/accounts/login/?next=/private/", username="user0", password=PASSWORD).status == 302
    paths = ["/", "/private/", "/echo", "/nowhere", "/accounts/login/", "/admin/", admin_path, "/admin/auth/group/"]
    for who, visitor in (("stranger", stranger), ("admin", admin)):
        for path in paths:
            found[f"{who} {path}"] = shown(visitor.get(path))
        found[f"{who} /echo as a page"] = shown(visitor.get("/echo", Accept="text/html"))
        [token] = [value for name, value in visitor.cookies.items() if "csrf" in name]
        found[f"{who} posts"] = shown(visitor.send("POST", "/echo", b"a=1&b=2", X_CSRFToken=token, **form))
        found[f"{who} posts without a token"] = shown(visitor.send("POST", "/echo", b"a=1", **form))
    return found


def by_session(host: Host, name: str, password: str = PASSWORD) -> Member:
    member = Member(host)
    answer = member.post("/session/auth/login", {"username": name, "password": password})
    assert answer.status == 200, answer.text
    return member


def by_token(host: Host, name: str, password: str = PASSWORD) -> Holder:
    holder = Holder(host)
    answer = holder.post("/jwt/auth/login", {"username": name, "password": password})
    assert answer.status == 200, answer.text
    return holder


def works(member: Member, holder: Holder) -> list[int]:
    """Whether the session and the token still work; the token is refreshed."""
    return [member.whoami(), holder.post(REFRESH).status]


def a_minute_later(host: Host) -> None:
    """Sets back the time at which each session was last used."""
    records.set_back(host.store.client(db=1), "*session:*", "_auth_seen", 61)


def save_in_admin(host: Host, path: str, **changes: str | None) -> Answer:
    """An administrator opens a change form, changes fields, and saves."""
    admin = Visitor(host)
    assert admin.submit("/admin/login/?next=/admin/", username="user0", password=PASSWORD).status == 302
    page = admin.get(path).text
    fields = {}
    for tag in re.findall(r"<input [^>]*>", page):
        name, value = (re.search(rf'\b{attribute}="([^"]*)"', tag) for attribute in ("name", "value"))
        if name and "submit" not in tag and ("checkbox" not in tag or " checked" in tag):
            fields[name[1]] = value[1] if value else "on" * ("checkbox" in tag)
    fields = {name: value for name, value in (fields | changes).items() if value is not None and name[0] != "_"}
    del fields["csrfmiddlewaretoken"]
    return admin.submit(path, **fields, _save="Save")


def both_ways(host: Host, name: str, password: str = PASSWORD) -> None:
    """Login, refresh and logout, with a session and with a token."""
    member, holder = by_session(host, name, password), by_token(host, name, password)
    assert works(member, holder) == [200, 200]
    assert holder.whoami() == 200
    assert (member.post("/session/auth/logout").status, holder.post("/jwt/auth/logout").status) == (200, 200)
    assert works(member, holder) == [401, 401]
    assert holder.whoami() == 401


def orders(host: Host, name: str) -> None:
    """The view of the README accepts both, and nobody without a credential."""
    member, holder = by_session(host, name), by_token(host, name)
    pk = member.get("/session/api/whoami").json["userId"]
    assert Visitor(host).get("/orders").status == 401
    assert [str(asker.send("GET", "/orders").json["user"]) for asker in (member, holder)] == [pk] * 2


def theft(host: Host, name: str) -> None:
    """A stolen refresh token comes two rotations late: all logins of its user end, and the project gets the signal."""
    member, holder = by_session(host, name), by_token(host, name)
    thief = Holder(host, holder.refresh, agent="thief/1.0")
    assert [holder.post(REFRESH).status, holder.post(REFRESH).status] == [200, 200]
    answer = thief.rotate()
    assert (answer.status, answer.json) == (401, {"error": "Token reuse detected"})
    assert works(member, holder) == [401, 401]
    assert (host.folder / "told").read_text() == f"{name} True\n"


def restart(host: Host, name: str) -> None:
    """The server restarts: its users stay logged in, and the periodic commands succeed."""
    member, holder = by_session(host, name), by_token(host, name)
    host.restart()
    assert works(member, holder) == [200, 200]
    host.manage("housekeeping", "--once")
    host.manage("purge_tokens")
    assert works(member, holder) == [200, 200]


def pages(host: Host, name: str) -> None:
    """The parts' own pages in a project that overrides none of their templates; all files that they need are served."""
    visitor, files = Visitor(host), set()
    assert visitor.get("/session/profile/").headers["Location"] == "/session/login/?next=/session/profile/"
    answer = visitor.submit("/session/login/?next=/private/", username=name, password=PASSWORD)
    assert (answer.status, answer.headers["Location"]) == (302, "/private/")
    paths = ["/private/", "/session/login/", "/session/profile/", "/session/devices/", "/session/api/devices", "/jwt/"]
    for path in paths:
        answer = visitor.get(path, Accept="text/html")
        assert answer.status == 200, path
        files |= set(re.findall(r'"/static/((?:security|sessions_demo|jwt_demo)/[^"]+)"', answer.text))
    assert len(files) > 3
    host.manage("findstatic", *sorted(files))


def admin_pages(host: Host) -> None:
    """The parts' pages in the admin, which can be searched by user name."""
    admin = Visitor(host)
    assert admin.submit("/admin/login/?next=/admin/", username="user0", password=PASSWORD).status == 302
    for table in ("security/securityevent", "sessions_demo/devicesession", "jwt_demo/tokenfamily"):
        page = admin.get(f"/admin/{table}/?q=user1")
        assert page.status == 200, table
        assert admin.get(f"/admin/{table}/").text.count('class="action-select"') > 1 or table.startswith("security")


def outage(host: Host, name: str) -> None:
    """While the store is away no user is logged out, and no error reaches the project."""
    member, holder, visitor = by_session(host, name), by_token(host, name), Visitor(host)
    visitor.cookies["__Host-sessionid"] = member.session
    assert visitor.get("/private/").status == 200
    host.store.kill()
    away = [visitor.get("/private/"), member.send("GET", "/session/api/whoami"), holder.send("GET", WHOAMI)]
    assert [answer.status for answer in away] == [503] * 3
    host.store.start()
    assert [visitor.get("/private/").status, *works(member, holder)] == [200] * 3


def devices(host: Host) -> dict[str, tuple[Member, Holder]]:
    """The two devices of each user."""
    made = host.shell(DEVICES).items()
    return {name: (Member(host, session), Holder(host, refresh, access)) for name, (session, refresh, access) in made}


@pytest.mark.exhaustive
def test_a_project_with_djangos_own_user() -> None:
    with project(100) as host:
        before = answers(host, "/admin/auth/user/")
        take_both(host)
        assert answers(host, "/admin/auth/user/") == before
        both_ways(host, "user0")
        held = devices(host)
        assert [works(*held[f"user{n}"]) for n in (1, 2, 99)] == [[200, 200]] * 3
        pk = host.shell("found = User.objects.get(username='user1').pk")
        assert save_in_admin(host, f"/admin/auth/user/{pk}/change/", is_active=None).status == 302
        assert [*works(*held["user1"]), held["user1"][1].whoami()] == [401, 401, 401]
        host.shell("User.objects.filter(username__in=[f'user{n}' for n in range(2, 50)]).update(is_active=False)")
        a_minute_later(host)
        assert [works(*held[f"user{n}"]) for n in range(2, 100)] == [[401, 401]] * 48 + [[200, 200]] * 50
        assert [held[f"user{n}"][1].whoami() for n in (2, 49, 50)] == [401, 401, 200]
        with ThreadPoolExecutor(8) as pool:
            seen = list(pool.map(lambda n: held[f"user{n}"][1].post(REFRESH).status, range(50, 100)))
        assert seen == [200] * 50
        for number, check in enumerate((orders, theft, restart, pages), 59):
            check(host, f"user{number}")
        admin_pages(host)
        outage(host, "user63")
        # The hashes have not changed: the project still uses its own hasher.
        assert host.shell("found = User.objects.values('password').distinct().count()") == 1


def as_basic(host: Host, name: str, password: str) -> int:
    """The project's own API with DRF's basic authentication."""
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
    return Visitor(host).get("/echo", Authorization=f"Basic {credentials}").status


def banned(host: Host, name: str) -> None:
    """A ban in the project's own admin ends the session and the access token at once."""
    member, holder = by_session(host, name), by_token(host, name)
    pk = host.shell(f"found = str(User.objects.get(username='{name}').pk)")
    assert save_in_admin(host, f"/admin/people/member/{pk}/change/", is_active=None).status == 302
    assert [*works(member, holder), holder.whoami()] == [401, 401, 401]


@pytest.mark.exhaustive
def test_a_project_with_a_user_model_and_a_backend_of_its_own() -> None:
    elsewhere = ("elsewhere", "kept elsewhere")
    with project(4, PEOPLE) as host:
        host.shell("User.objects.create_user('elsewhere')")
        before = answers(host, "/admin/people/member/")
        take_both(host, ELSEWHERE)
        assert answers(host, "/admin/people/member/") == before
        both_ways(host, "user0")
        both_ways(host, *elsewhere)
        # More logins than an account may fail, before an attempt that was never settled expires.
        assert [as_basic(host, *elsewhere) for _ in range(11)] == [200] * 11
        assert as_basic(host, "elsewhere", PASSWORD) == 403
        member, holder = by_session(host, *elsewhere), by_token(host, *elsewhere)
        pk = host.shell("found = str(User.objects.get(username='elsewhere').pk)")
        assert member.get("/session/api/whoami").json == {"userId": pk, "role": "member"}
        assert holder.claims["sub"] == pk
        theft(host, "user1")
        restart(host, "user2")
        host.shell("User.objects.filter(username='elsewhere').update(is_active=False)")
        a_minute_later(host)
        assert works(member, holder) == [401, 401]
        banned(host, "user3")
        host.manage("makemigrations", "--check")


@pytest.mark.exhaustive
def test_a_project_that_takes_the_tokens_alone() -> None:
    """It keeps Django's sessions. Stock SimpleJWT's tokens are refused, and their outstanding tokens deleted."""
    with Host("INSTALLED_APPS += ['rest_framework_simplejwt', 'rest_framework_simplejwt.token_blacklist']") as host:
        host.shell(USERS.replace("NUMBER", "1"))
        token = host.shell(STOCK)
        host.store.start()
        host.take(TOKENS, "security", "jwt_demo")
        host.type(host.urls, BY_TOKEN)
        host.start()
        stock, holder = Holder(host, token, native=True), by_token(host, "user0")
        answer = stock.rotate()
        assert (answer.status, answer.json) == (401, {"error": "Invalid refresh token"})
        [purge] = typed(TOKENS, "sh")
        host.sh(purge)
        [row] = host.shell(f"{BLACKLIST}\nfound = list(OutstandingToken.objects.values_list('token', flat=True))")
        assert row.startswith("sha256:")
        assert [holder.post(REFRESH).status, holder.whoami()] == [200, 200]
        answers = [Visitor(host).send("POST", "/by-token"), holder.send("POST", "/by-token", {"a": 1})]
        assert [answer.status for answer in answers] == [401, 201]
        admin = Visitor(host)
        assert admin.submit("/admin/login/?next=/admin/", username="user0", password=PASSWORD).status == 302
        assert "sessionid" in admin.cookies
        assert admin.get("/admin/").status == 200

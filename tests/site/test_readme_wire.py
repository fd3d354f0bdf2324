"""What the README says of both flows is so: its commands are run, its settings used, its files are there."""

import hashlib
import json
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from tests.running import ROOT, Site, Store
from tests.sampling import sampled

pytestmark = pytest.mark.site
TITLE = "\n## The wire: a session\n"
[README] = [text for file in ROOT.glob("README*.md") if TITLE in (text := "\n" + file.read_text())]
# What every answer of the site carries, or says about the connection.
LEFT_OUT = {
    *("server", "date", "connection", "content-type", "content-length", "vary", "allow", "content-security-policy"),
    *("x-frame-options", "x-content-type-options", "referrer-policy", "cross-origin-opener-policy", "server-timing"),
}


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def as_shown(answer: str) -> str:
    """An answer without the headers that the README leaves out."""
    head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
    lines = [line for line in head.split("\n") if line.partition(":")[0].lower() not in LEFT_OUT]
    return "\n".join(lines) + "\n\n" + body


@pytest.fixture(scope="module")
def https_site() -> Iterator[Site]:
    """As `make run HTTPS=1` starts it."""
    with Site(HTTPS="1") as site:
        yield site


WIRES = [(name, flow, number) for name in ("site", "https_site") for flow, number in (("session", 5), ("token", 6))]


# What is wanted over https alone is wanted of a session.
@pytest.mark.parametrize(("name", "flow", "number"), sampled(WIRES, WIRES[:2]))
def test_every_command_of_the_wire_answers_as_shown(
    request: pytest.FixtureRequest, tmp_path: Path, name: str, flow: str, number: int
) -> None:
    site: Site = request.getfixturevalue(name)
    text = section(f"The wire: a {flow}").replace("http://localhost:8000", site.url)
    steps = re.findall(r"```sh\n(.*?)```\n```http\n(.*?)\n```", text, re.S)
    assert len(steps) == text.count("```sh") == number
    curl = f"curl -sS --cacert {site.folder}/var/tls/authority.pem " if site.https else "curl -sS "
    script = "\necho; echo =====\n".join(commands.replace("curl ", curl) for commands, _ in steps)
    result = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert not result.stderr
    for answer, (commands, shown) in zip(result.stdout.split("\n=====\n"), steps, strict=True):
        pattern = re.escape(shown.strip()).replace("…", ".+")
        assert re.fullmatch(pattern, as_shown(answer).strip()), f"{commands}\n{as_shown(answer)}\nis not\n{shown}"
    assert not list(tmp_path.iterdir())


def test_every_file_that_is_named_is_there() -> None:
    reading = ("The reading path: a session", "The reading path: a token")
    for title in (*reading, "Take a part: a session store", "Take a part: rotating refresh tokens"):
        links = re.findall(r"\]\(([\w/.]+)\)", section(title))
        assert links
        assert [link for link in links if not (ROOT / link).is_file()] == []


REDIS = "django_redis.cache.RedisCache"

# ── The store alone, in a project that has nothing else of ours ────────────────────────────────

SETTINGS = """
import os
SECRET_KEY = "x" * 50
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "project"
"""
PROJECT = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django
from django.contrib import auth
from django.http import JsonResponse
from django.urls import path

def log_in(request):
    auth.login(request, auth.authenticate(request, username="alice", password="correct horse"))
    return me(request)

def log_out(request):
    auth.logout(request)
    return me(request)

def me(request):
    return JsonResponse({"user": request.user.username})

urlpatterns = [path("in", log_in), path("out", log_out), path("me", me)]

if __name__ == "__main__":
    django.setup()
    from django.core.management import call_command
    from django.test import Client
    call_command("migrate", verbosity=0)
    auth.get_user_model().objects.create_user("alice", password="correct horse")
    client, seen = Client(raise_request_exception=False), []
    for line in sys.stdin:
        path, session = json.loads(line)
        if session:
            client.cookies["sessionid"] = session
        answer = client.get(path)
        cookie = answer.cookies.get("sessionid")
        body = answer.json() if answer.status_code == 200 else {}
        print(json.dumps([answer.status_code, body.get("user"), cookie and cookie.value]), flush=True)
"""


@pytest.fixture
def redis_alone(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "valkey" / "v.sock")
    store.start()
    yield store
    store.kill()


@pytest.fixture
def project(tmp_path: Path, redis_alone: Store) -> Iterator[subprocess.Popen[str]]:
    """A fresh project with `store.py` and the settings that the README quotes."""
    folder = tmp_path / "project"
    folder.mkdir()
    quoted = re.search(r"```python\n(.*?)```", section("Take a part: a session store"), re.S)[1]
    assert "redis://localhost:6379/0" in quoted
    quoted = quoted.replace("redis://localhost:6379/0", f"unix://{redis_alone.path}?db=0")
    (folder / "settings.py").write_text(SETTINGS + quoted)
    (folder / "project.py").write_text(PROJECT)
    shutil.copy(ROOT / "sessions_demo" / "store.py", folder / "session_store.py")
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "project.py"], cwd=folder, env={}, stdin=pipe, stdout=pipe, text=True)
    yield process
    process.stdin.close()
    process.wait(20)


def ask(project: subprocess.Popen[str], path: str, session: str = "") -> list[object]:
    """Status, user and the new cookie, `None` without one."""
    project.stdin.write(json.dumps([path, session]) + "\n")
    project.stdin.flush()
    return json.loads(project.stdout.readline())


def test_the_store_alone_keeps_sessions_in_another_project(project: subprocess.Popen[str], redis_alone: Store) -> None:
    assert ask(project, "/me") == [200, "", None]
    status, user, session = ask(project, "/in")
    assert (status, user, len(session)) == (200, "alice", 32)
    [key] = redis_alone.client().keys("*")
    assert key.decode().endswith(hashlib.sha256(session.encode()).hexdigest())
    assert "_auth_user_id" in json.loads(redis_alone.client().get(key))
    assert session.encode() not in key + redis_alone.client().get(key)
    assert ask(project, "/me") == [200, "alice", None]
    redis_alone.kill()
    assert ask(project, "/me") == [500, None, None]  # the project has no handler for it; the cookie stays
    redis_alone.start()
    assert ask(project, "/me") == [200, "alice", None]
    assert ask(project, "/out") == [200, "", ""]
    assert not redis_alone.client().dbsize()
    assert ask(project, "/me", session)[:2] == [200, ""]


# ── The other flow, in a project that has neither our settings nor our pages ───────────────────

TOKEN_PROJECT = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
import django
from django.urls import include, path

django.setup()
urlpatterns = [path("jwt/", include("jwt_demo.urls"))]

if __name__ == "__main__":
    from django.core.management import call_command
    from django.test import Client
    from django.utils import timezone
    call_command("migrate", verbosity=0)
    from accounts.models import User
    from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
    alice = User.objects.create_user("alice@example.com", "correct horse")
    stock, later = sys.argv[1], timezone.now() + timezone.timedelta(days=1)
    OutstandingToken.objects.create(user=alice, jti="0" * 32, token=stock, expires_at=later)
    client = Client(raise_request_exception=False)

    def post(name, body=None, agent="one/1.0"):
        answer = client.post(f"/jwt/auth/{name}", body or {}, "application/json", headers={"User-Agent": agent})
        return answer.status_code, answer.json()

    def whoami(token):
        return client.get("/jwt/api/whoami", headers={"Authorization": f"Bearer {token}"}).status_code

    seen = {"stock": post("refresh", {"refreshToken": stock})}
    login = {"email": "alice@example.com", "password": "correct horse"}
    access = post("login", login)[1]["accessToken"]
    stolen = client.cookies["__Host-refresh"].value
    seen["in"] = whoami(access)
    seen["rotated"] = post("refresh")[0]
    with open("purge.py") as purge:
        exec(purge.read())
    seen["outstanding_tokens"] = list(OutstandingToken.objects.values_list("token", flat=True))
    seen["still in"] = [whoami(access), post("refresh")[0]]
    client.cookies["__Host-refresh"] = stolen
    seen["stolen"] = post("refresh", agent="thief/1.0")
    seen["out"] = whoami(access)
    call_command("housekeeping", once=True)
    print(json.dumps(seen))
"""


GATES = 'MIDDLEWARE = ["security.cookies.ExactCookiesMiddleware", "security.origin.OriginGate"]\n'


def test_tokens_rotate_in_another_project_and_stocks_are_refused_and_removed(
    tmp_path: Path, redis_alone: Store
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    quoted, purge = re.findall(r"```python\n(.*?)```", section("Take a part: rotating refresh tokens"), re.S)
    assert "redis://localhost:6379/1" in quoted
    quoted = quoted.replace("redis://localhost:6379/1", f"unix://{redis_alone.path}?db=1")
    caches = f'CACHES = {{"default": {{"BACKEND": "{REDIS}", "LOCATION": "unix://{redis_alone.path}?db=0"}}}}\n'
    own = f'SECRET_KEY = "{secrets.token_urlsafe(48)}"\n{GATES}'
    (folder / "settings.py").write_text(SETTINGS + own + caches + quoted)
    (folder / "project.py").write_text(TOKEN_PROJECT)
    (folder / "purge.py").write_text(purge)
    for app in ("accounts", "jwt_demo"):
        shutil.copytree(ROOT / app, folder / app, ignore=shutil.ignore_patterns("__pycache__"))
    keys = {name: secrets.token_urlsafe(48) for name in ("JWT_ACCESS_KEY", "JWT_REFRESH_KEY")}
    claims = {"token_type": "refresh", "user_id": "1", "jti": "0" * 32, "exp": 2**32}
    command = [sys.executable, "project.py", jwt.encode(claims, keys["JWT_REFRESH_KEY"])]
    output = subprocess.run(command, cwd=folder, env=keys, check=True, stdout=subprocess.PIPE, text=True).stdout
    seen = json.loads(output.splitlines()[-1])
    assert seen["stock"] == [401, {"error": "Invalid refresh token"}]
    assert (seen["in"], seen["rotated"], seen["still in"]) == (200, 200, [200, 200])
    assert len(seen["outstanding_tokens"]) == 2
    assert all(token.startswith("sha256:") for token in seen["outstanding_tokens"])
    assert (seen["stolen"], seen["out"]) == ([401, {"error": "Token reuse detected"}], 401)

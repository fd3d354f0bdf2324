"""Django in a second process, on the database and store of a running site. Tests use it to do what an administrator's
command does, and to read the database. `python -m tests.site.backstage` is the process itself.
"""

import json
import subprocess
import sys
from typing import Any

from tests.running import ROOT, Site


class Backstage:
    """Starts the process, and calls its functions one at a time."""

    def __init__(self, site: Site) -> None:
        self.log = (site.folder / "backstage.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.site.backstage"],
            cwd=ROOT,
            env=site.environment | {"DJANGO_SETTINGS_MODULE": "config.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            bufsize=1,
        )

    def ask(self, name: str, *arguments: Any) -> Any:
        """Calls one of the functions below in the process; arguments and result travel as JSON."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([name, *arguments]) + "\n")
        answer = self.process.stdout.readline()
        assert answer, f"{name} failed, see {self.log.name}"
        return json.loads(answer)

    def __enter__(self) -> "Backstage":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(20)
        self.log.close()


def people(prefix: str, number: int, like: str) -> list[str]:
    """Creates `number` users with the password of the user `like`; returns their e-mail addresses."""
    from accounts.models import User

    password = User.objects.get(email=like).password
    users = [User(email=f"{prefix}{index}@example.com", password=password) for index in range(number)]
    return [user.email for user in User.objects.bulk_create(users)]


def add_people(*names: str) -> None:
    """Creates members; their e-mail addresses and passwords are made from their names."""
    from accounts.models import User

    for name in names:
        User.objects.create_user(f"{name}@example.com", f"correct horse {name}", name=name.title())


def cast(payload: str) -> dict[str, Any]:
    """Creates the browser tests' users; returns the paths of mailed links, and the id of the user who gets one."""
    from django.contrib.auth.tokens import default_token_generator
    from django.core import signing
    from django.urls import reverse
    from django.utils.http import urlsafe_base64_encode

    from accounts.mail import REGISTRATION_SALT
    from accounts.models import User

    # Each user belongs to one test only: that test may throttle the user or change the password.
    for name in ("erin", "heidi", "judith"):
        User.objects.create_superuser(f"{name}@example.com", f"correct horse {name}", name=name.title())
    User.objects.create_superuser("mallory@example.com", "correct horse mallory", name=payload)
    add_people(*("frank", "grace", "nina", "oscar", "peggy", "rupert", "sybil", "trent", "victor", "walter", "ivan"))
    user = User.objects.get(email="ivan@example.com")
    reset = [urlsafe_base64_encode(str(user.pk).encode()), default_token_generator.make_token(user)]
    register = signing.dumps({"email": "judy@example.com", "name": "Judy"}, salt=REGISTRATION_SALT)
    return {
        "user": user.pk,
        "reset": reverse("accounts:password_reset_confirm", args=reset),
        "register": reverse("accounts:register_confirm", args=[register]),
    }


def fill_mailbox(email: str, number: int) -> None:
    """Puts `number` mails about a registration into the demo's mailbox, each with a long link."""
    from django.template.loader import render_to_string

    from accounts.models import DemoMail

    body = render_to_string("mail/register.txt", {"link": "http://localhost/" + "x" * 160})
    DemoMail.objects.bulk_create(DemoMail(to=email, subject="A letter", body=body) for _ in range(number))


def long_words() -> list[str]:
    """Creates rows whose texts are as long as they can be, without a space; returns their addresses in the admin."""
    from django.contrib.admin.utils import quote
    from django.urls import reverse

    user = long_named()
    rows = [user, *rows_of(user)]
    names = [(f"{row._meta.app_label}_{row._meta.model_name}", row) for row in rows]
    pages = [(f"{name}_{page}", row) for name, row in names for page in ("change", "history", "delete")]
    pages += [(f"accounts_user_{page}", user) for page in ("ban", "lift_ban", "revoke_access")]
    return [reverse(f"admin:{page}", args=[quote(row.pk)]) for page, row in pages]


def long_named() -> Any:
    """Creates a user and logs the user in both ways."""
    from django.test import Client

    from accounts.models import User

    email = f"{'w' * 64}@{'w' * 63}.{'w' * 63}.example"
    user = User.objects.create_user(email, "correct horse", name="W" * 150)
    browser = Client(HTTP_HOST="localhost", HTTP_USER_AGENT="w" * 200, headers={"Sec-Fetch-Site": "same-origin"})
    body = {"email": email, "password": "correct horse"}
    for path in ("/session/auth/login", "/jwt/auth/login"):
        assert browser.post(path, body, content_type="application/json").status_code == 200
    return user


def rows_of(user: Any) -> list[Any]:
    """The rows of the user's logins, an event, and a note that it creates."""
    from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

    from jwt_demo.models import TokenFamily
    from notes.models import Note
    from security.models import SecurityEvent
    from sessions_demo.models import DeviceSession

    return [
        DeviceSession.objects.get(user=user),
        TokenFamily.objects.get(user=user),
        OutstandingToken.objects.get(user=user),
        SecurityEvent.objects.filter(email=user.email).latest("pk"),
        Note.objects.create(owner=user, text="w" * 200),
    ]


def account(email: str, password: str) -> list[Any]:
    """Returns whether this is the user's password, and the user's role."""
    from accounts.models import User

    user = User.objects.get(email=email)
    return [user.check_password(password), user.role]


def clock() -> float:
    """The time by this process's clock, in seconds since 1970."""
    import time

    return time.time()


def ban(email: str) -> None:
    from accounts.models import User

    user = User.objects.get(email=email)
    user.is_active = False
    user.save()


def promote(email: str) -> None:
    from accounts.models import User

    user = User.objects.get(email=email)
    user.role = User.Role.ADMIN
    user.save()


def revoke_all(email: str) -> int:
    """Revokes a user's access, and returns the new token_version."""
    from accounts.models import User
    from security.revocation import revoke_access

    return revoke_access(User.objects.get(email=email), "revoked by a test").token_version


def restore(email: str) -> None:
    from accounts.models import User

    user = User.objects.get(email=email)
    user.is_active = True
    user.save()


def token_version(email: str) -> int:
    from accounts.models import User
    from tests.access import version_of

    return version_of(User.objects.get(email=email))


def rows(email: str) -> dict[str, Any]:
    """The rows of a user's sessions, by digest: the token_version, and why the session ended, or `None`."""
    from sessions_demo.models import DeviceSession

    found = DeviceSession.objects.filter(user__email=email)
    return {row.digest: [row.token_version, row.reason if row.ended else None] for row in found}


def live() -> dict[str, int]:
    """The number of live sessions by the database, for each user."""
    from sessions_demo.models import DeviceSession

    emails = list(DeviceSession.objects.live().values_list("user__email", flat=True))
    return {email: emails.count(email) for email in emails}


def pending() -> list[str]:
    """The revocations that are still to be carried out."""
    from security.models import PendingRevocation

    return list(PendingRevocation.objects.values_list("reason", flat=True))


def families(email: str, number: int, agent: str, window: int | None = None) -> list[list[str]]:
    """Logs a user in `number` times by the JWT flow; returns the refresh and the access token of each login.

    `window`, in seconds, replaces the usual grace period.
    """
    from dataclasses import replace

    from accounts.models import User
    from jwt_demo import lifecycle
    from jwt_demo.models import Policy
    from security.client import Client

    policy = Policy.default()
    if window is not None:
        policy = replace(policy, grace_period=window)
    user, client = User.objects.get(email=email), Client("127.0.0.1", agent)
    issued = [lifecycle.start(user, client, policy=policy) for _ in range(number)]
    return [[str(one.family.token()), str(one.access)] for one in issued]


def age_families(email: str, seconds: int) -> None:
    """Makes the latest tokens of a user this much older, as if no client had refreshed in that time."""
    from datetime import timedelta

    from django.db.models import F

    from jwt_demo.models import TokenFamily

    TokenFamily.objects.filter(user__email=email).update(issued=F("issued") - timedelta(seconds=seconds))


def outstanding_tokens(email: str) -> dict[str, Any]:
    """A user's families: why each ended, or `None`, the `jti` of its latest token, and the tokens not blacklisted."""
    from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

    from jwt_demo.models import TokenFamily

    found = {}
    for row in TokenFamily.objects.filter(user__email=email):
        good = OutstandingToken.objects.filter(jti__startswith=f"{row.pk}.", blacklistedtoken=None)
        jtis = list(good.values_list("jti", flat=True))
        found[str(row.pk)] = {"ended": row.reason if row.ended else None, "latest": row.jti, "good": jtis}
    return found


def revoke(email: str) -> bool:
    """Ends all of a user's families, as an administrator does; returns whether the store could be reached."""
    from accounts.models import User
    from jwt_demo.flow import FLOW
    from security.outages import OUTAGES

    try:
        FLOW.end_others(User.objects.get(email=email), None, "ended by a test")
    except OUTAGES:
        return False
    return True


def events(email: str, name: str) -> list[dict[str, Any]]:
    """The details of a user's security events of this name, the latest first."""
    from security.models import SecurityEvent

    return list(SecurityEvent.objects.filter(email=email, name=name).values_list("detail", flat=True))


def queue_mail(email: str) -> None:
    """Queues a mail to this address."""
    from accounts import mail

    mail.queue("password_changed", email)


def mails(email: str) -> dict[str, list[str]]:
    """The mails to a user that are queued, by kind, and those that were sent, by subject."""
    from accounts.models import DemoMail, OutgoingMail

    due = list(OutgoingMail.objects.filter(to=email).values_list("kind", flat=True))
    return {"due": due, "sent": list(DemoMail.objects.filter(to=email).values_list("subject", flat=True))}


def signed(kind: str, claims: dict[str, Any], header: dict[str, Any]) -> str:
    """A token with these claims, signed with the site's active key of this kind: "access" or "refresh"."""
    import jwt

    from jwt_demo.keys import ring

    key = ring(kind).active
    return jwt.encode(claims, key.signing, key.algorithm, headers={"kid": key.kid} | header)


def whole_tables_read() -> dict[str, list[str]]:
    """The statements of housekeeping that read a whole table because no index fits, by task."""
    from tests import plans

    return plans.whole_tables_read()


def main() -> None:
    import django
    from django.db import close_old_connections

    # The site's log goes to standard output too, and its lines would be read as answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    django.setup()
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        close_old_connections()
        print(json.dumps(globals()[name](*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()

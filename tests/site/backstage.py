"""Django in a second process, on the same database and store as a running site: what an administrator's
command would do, and what the registry says. `python -m tests.site.backstage` is the process itself.
"""

import json
import subprocess
import sys
from typing import Any

from tests.running import ROOT, Site


class Backstage:
    """The process, as the tests use it: one question at a time."""

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
        """Runs one of the functions below."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([name, *arguments]) + "\n")
        answer = self.process.stdout.readline()
        assert answer, f"{name} failed, see {self.log.name}"
        return json.loads(answer)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(20)
        self.log.close()


def people(prefix: str, number: int, like: str) -> list[str]:
    """So many new users with the password of user `like`; returns their addresses."""
    from accounts.models import User

    password = User.objects.get(email=like).password
    users = [User(email=f"{prefix}{index}@example.com", password=password) for index in range(number)]
    return [user.email for user in User.objects.bulk_create(users)]


def ban(email: str) -> None:
    from accounts.models import User

    user = User.objects.get(email=email)
    user.is_active = False
    user.save()


def restore(email: str) -> None:
    from accounts.models import User

    user = User.objects.get(email=email)
    user.is_active = True
    user.save()


def epoch(email: str) -> int:
    from accounts.models import User

    return User.objects.get(email=email).token_version


def rows(email: str) -> dict[str, Any]:
    """The registry's rows of a user by digest: the epoch and why it ended, `None` if it did not."""
    from sessions_demo.models import DeviceSession

    found = DeviceSession.objects.filter(user__email=email)
    return {row.digest: [row.version, row.reason if row.ended else None] for row in found}


def live() -> dict[str, int]:
    """How many sessions the registry holds for live, by user."""
    from sessions_demo.models import DeviceSession

    emails = list(DeviceSession.objects.live().values_list("user__email", flat=True))
    return {email: emails.count(email) for email in emails}


def pending() -> list[str]:
    """The withdrawals that are still to be carried out."""
    from accounts.models import PendingWithdrawal

    return list(PendingWithdrawal.objects.values_list("reason", flat=True))


def main() -> None:
    import django
    from django.db import close_old_connections

    # The site's log goes to standard output; answers must stand alone there.
    answers, sys.stdout = sys.stdout, sys.stderr
    django.setup()
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        close_old_connections()
        print(json.dumps(globals()[name](*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()

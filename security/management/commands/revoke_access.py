"""`manage.py revoke_access alice@example.com --reason "phone stolen"`: logs a user out now, in both flows."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from security.client import Client
from security.revocation import ended_in_words, revoke_access
from security.users import find_user


class Command(BaseCommand):
    """The admin's action "Revoke access" for a terminal. It does not deactivate the user."""

    help = "Ends all sessions and tokens of a user. The user can log in again. To prevent that, deactivate the user."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="the name that the user logs in by")
        parser.add_argument("--reason", required=True, help="why, for the history: up to 100 characters")

    def handle(self, *args: Any, **options: Any) -> None:
        user = find_user(options["user"], Client())
        if user is None:
            raise CommandError(f"No user here logs in as {options['user']}.")
        pending = revoke_access(user, options["reason"])
        self.stdout.write(f"Access revoked. {ended_in_words([pending])}")

"""`manage.py withdraw alice@example.com --reason "phone stolen"`: logs somebody out now, everywhere, in both flows."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from accounts.models import User
from security.revocation import access_withdrawn, told


class Command(BaseCommand):
    """What an administrator at a terminal has instead of the admin's action. It does not deactivate."""

    help = "Ends everything a user has open, in both flows. She can log in again; to ban her, deactivate her."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--reason", required=True, help="why, for the history: up to 100 characters")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email=options["email"]).first()
        if user is None:
            raise CommandError(f"Nobody here has the address {options['email']}.")
        withdrawn = access_withdrawn(user, options["reason"])
        self.stdout.write(told(withdrawn.ended or {}, int(withdrawn.ended is None)))

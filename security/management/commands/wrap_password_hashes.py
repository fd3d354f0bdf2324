"""`manage.py wrap_password_hashes`: puts Argon2id over the PBKDF2 hashes of an earlier project."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from security import old_hashes


class Command(BaseCommand):
    """For a project that takes over users. It can be run again at any time and then wraps what is left."""

    help = "Wraps password hashes by PBKDF2 in Argon2id. Passwords stay the same, and no user is logged out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        if dry_run:
            self.stdout.write(f"{old_hashes.bare().count()} hashes to wrap.")
            return
        if not old_hashes.can_be_read():
            raise CommandError(
                "PASSWORD_HASHERS must name security.hashers.Argon2idOverPBKDF2 and …OverPBKDF2SHA1: otherwise no user "
                "whose hash is wrapped could log in."
            )
        done = old_hashes.wrap()
        self.stdout.write(f"{done['wrapped']} hashes wrapped, {done['changed']} changed meanwhile.")
        if done["left"]:
            self.stderr.write(f"{done['left']} cannot be read or are too long, and stay as they are.")

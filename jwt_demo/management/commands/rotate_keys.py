"""`manage.py rotate_keys`: a new key for access tokens, for refresh tokens, or for both."""

import time
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from jwt_demo import ending, key_writing, keys
from jwt_demo.conf import conf
from jwt_demo.key_rotation import Plan, RotationUnderWay, longest_life, new_secret, tokens_under
from jwt_demo.keys import Ring
from jwt_demo.management.commands.keys import in_words, line_of, number_of
from jwt_demo.models import TokenFamilies, TokenFamily
from security.outages import OUTAGES
from security.users import stored_users

LEAKED = "the key of its tokens leaked"


class Command(BaseCommand):
    """Makes the first keys, replaces a key without a logout, and replaces one that has leaked at once."""

    help = "Replaces the keys that sign tokens, without logging anybody out."
    # Without keys the checks fail, and this command could not make the first ones.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", nargs="*", metavar="access|refresh", help="which keys; without it, both kinds")
        parser.add_argument("--dry-run", action="store_true", help="says what would happen, and changes nothing")
        parser.add_argument(
            "--force",
            action="store_true",
            help="for a key that has leaked: the new one signs at once, and what the others signed is refused",
        )

    def handle(self, *args: Any, kind: list[str], dry_run: bool, force: bool, **options: Any) -> None:
        kinds = list(dict.fromkeys(kind)) or list(keys.SETTINGS)
        if unknown := [one for one in kinds if one not in keys.SETTINGS]:
            raise CommandError(f"There are no {unknown[0]} keys. Write access, refresh, or neither.")
        self.is_dry, self.is_forced = dry_run, force
        plans = self._rotated(kinds)
        if self.is_dry:
            self.stdout.write("Nothing was changed: this was a dry run. A new key will have another name.")
        elif plans:
            self.stdout.write(
                f"The file {conf.JWT_KEY_FILE} was written. If another machine has a copy of it, replace it there "
                f"{'now' if self.is_forced else 'before the new key signs'}."
            )
        if self.is_forced and plans and not self.is_dry:
            self._end_lost(plans)

    def _rotated(self, kinds: list[str]) -> list[Plan]:
        """Rotates, or raises `CommandError` with a sentence that says why nothing was changed."""
        try:
            return self._rotate(kinds)
        except RotationUnderWay as error:
            everybody = ", which logs everybody out" if str(error) == "refresh" else ""
            because = (
                f"A new {error} key is pending, and manage.py keys says when it signs. Wait for that. Only if a key "
                f"has leaked, run rotate_keys {error} --force{everybody}."
            )
        except OUTAGES as error:
            because = f"The database does not answer: {error}"
        except ImproperlyConfigured as error:
            because = str(error)
        except keys.UNREADABLE as error:
            because = f"The file {conf.JWT_KEY_FILE}: {keys.reason(error)} Mend it, or bring back a copy."
            if self.is_forced:
                because += " If there is none, move the file away and run this again."
        raise CommandError(f"Nothing was changed. {because}")

    def _rotate(self, kinds: list[str]) -> list[Plan]:
        """Writes the file once, for all kinds. If one kind is refused, none is changed."""
        if not conf.JWT_KEY_FILE and all(getattr(conf, keys.SETTINGS[kind]) for kind in kinds):
            for kind in kinds:
                self._explain(kind)
            return []
        path = keys.key_file().path
        with key_writing.locked(path):
            plans, rings = self._plans(kinds, path)
            if plans and not self.is_dry:
                key_writing.write(path, rings)
        return plans

    def _plans(self, kinds: list[str], path: Path) -> tuple[list[Plan], dict[str, Ring]]:
        """What is to be done, and all rings as they will be afterwards."""
        rings = keys.read(path) if path.exists() else {}
        plans = []
        for kind in kinds:
            if plan := self._plan(kind, rings.get(kind)):
                self._describe(plan)
                self._refuse_loss(plan)
                plans.append(plan)
                rings[kind] = plan.after
        return plans, rings

    def _plan(self, kind: str, before: Ring | None) -> Plan | None:
        """The plan for these keys. `None` if they are in a setting: then what to write there has been printed."""
        if getattr(conf, keys.SETTINGS[kind]):
            return self._of_setting(kind, before)
        if self.is_forced or before is None:
            return Plan.at_once(kind, before, timezone.now())
        return Plan.without_logout(before, timezone.now())

    def _of_setting(self, kind: str, before: Ring | None) -> Plan | None:
        name = keys.SETTINGS[kind]
        try:
            present = keys.ring(kind)
        except keys.UnusableKeys as error:
            raise ImproperlyConfigured(f"{name}: {error}") from None
        if self.is_forced or not (before is None or present.keys() <= before.keys()):
            self._explain(kind)
            return None
        self.stdout.write(
            f"{kind} keys: the file {'gets' if before is None else 'has'} those of {name}. Take {name} away and start "
            f"all processes again: the file is used then. After that, manage.py rotate_keys {kind} replaces the key."
        )
        return Plan.from_setting(kind, timezone.now()) if before is None else None

    def _describe(self, plan: Plan) -> None:
        self.stdout.write(f"{plan.after.kind} keys")
        living = tokens_under(plan.before) if plan.before is not None else {}
        for dated in plan.after.dated:
            line = line_of(dated, timezone.now())
            self.stdout.write(f"  {line}, {number_of(living.get(dated.key.kid, 0), 'token')}")
        for key in plan.gone():
            self.stdout.write(f"  {key.kid}  {key.algorithm}  gone, and {number_of(living[key.kid], 'token')} with it")
        self._describe_loss(plan)

    def _describe_loss(self, plan: Plan) -> None:
        if plan.after.kind == "access" and plan.gone():
            self.stdout.write("  Clients get another by their refresh token. Only a login without one ends.")
            return
        self._name(plan.lost())

    def _name(self, lost: TokenFamilies) -> None:
        count = lost.count()
        self.stdout.write(f"  {number_of(count, 'login')} will end." if count else "  Nobody is logged out.")
        names = stored_users().filter(pk__in=lost.values("user_id"))
        for user in names.iterator() if self.is_forced else ():
            self.stdout.write(f"    {user.get_username()}")

    def _refuse_loss(self, plan: Plan) -> None:
        if not self.is_forced and plan.lost().exists():
            raise ImproperlyConfigured(
                "Logins would end. Bring back the keys that signed their tokens, or write --force if one has leaked or "
                "they are lost for good."
            )

    def _end_lost(self, plans: list[Plan]) -> None:
        """Ends the logins whose tokens are refused now, so that no list shows them as live."""
        try:
            ended = self._end(plans)
            # Until then, another process may sign with an old key, and a request may have begun before the change.
            time.sleep(conf.JWT_KEYS_REREAD + 1)
            ended += self._end(plans)
        except OUTAGES as error:
            raise CommandError(
                f"The new key is in use within {conf.JWT_KEYS_REREAD} seconds, and what the others signed is refused "
                "then. But a store does not answer, so that some logins are still listed as live, and their access "
                "tokens may be taken until they expire. When it answers, run this again: it makes one more key, and "
                f"so users who have logged in since must log in again. The store says: {error}"
            ) from error
        self.stdout.write(
            f"{number_of(ended, 'login')} ended. Every process that can read the file uses the new key now. Where one "
            'cannot, its /readyz says why under "keys".'
        )

    def _end(self, plans: list[Plan]) -> int:
        return sum(ending.end_families(plan.lost(), LEAKED) for plan in plans)

    def _explain(self, kind: str) -> None:
        """Prints what to write into a setting, which no command can change."""
        name, secret = keys.SETTINGS[kind], "" if self.is_dry else new_secret(kind)
        self.stdout.write(f"{kind} keys: {name} is set, and no command can change it.")
        words = f"This is a new key, NEW below. It is written down nowhere else:\n  {secret}"
        self.stdout.write(f"  {words if secret else 'NEW is a new key, which is shown without --dry-run.'}")
        if self.is_forced:
            self.stdout.write(
                f"  Write {name}=NEW, without the present keys, and start all processes again. What those signed is "
                "refused then."
            )
            if kind == "refresh":
                self._name(TokenFamily.objects.live())
                self.stdout.write("  They stay listed as live. After the restart, revoke them in the admin.")
            return
        pending, life = in_words(timedelta(seconds=conf.JWT_KEYS_PENDING)), in_words(longest_life(kind))
        self.stdout.write(
            f"  Nobody is logged out if you write it three times, and start all processes again each time:\n"
            f"  1. Now:  {name}=<the present keys>,NEW\n"
            f"  2. {pending} after all have started with that:  {name}=NEW,<the present keys>\n"
            f"  3. {life} after all have started with that:  {name}=NEW"
        )

"""`manage.py keys`: the keys that sign tokens, what each does, and what is due."""

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, CommandError
from django.utils import timezone

from jwt_demo import keys
from jwt_demo.conf import conf
from jwt_demo.key_rotation import reminders, tokens_under
from jwt_demo.keys import ALWAYS, DatedKey, State
from security import dates
from security.outages import OUTAGES

UNITS = {"day": timedelta(days=1), "hour": timedelta(hours=1), "minute": timedelta(minutes=1)}


class Command(BaseCommand):
    """Shows both rings. It shows no secret."""

    help = "Shows the keys that sign tokens: the state of each, since when, what comes next, and what is due."
    # Without keys the checks fail, and this command could not say which keys are missing.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        faults = {kind: fault for kind in keys.SETTINGS if (fault := self._show(kind))}
        for due in reminders():
            if due not in faults.values():
                self.stdout.write(self.style.WARNING(due))
        if faults:
            raise CommandError(
                f"No {' and no '.join(faults)} keys can be used. Where there are none yet, run manage.py rotate_keys."
            )

    def _show(self, kind: str) -> str:
        """Prints the keys of this kind, or why they cannot be used. Returns why, and "" if they can be used."""
        self.stdout.write(f"{kind} keys, in {place_of(kind)}")
        try:
            ring = keys.ring(kind)
        except (ImproperlyConfigured, keys.UnusableKeys) as error:
            self.stdout.write(f"  {error}")
            return str(error)
        try:
            living: dict[str, int] = tokens_under(ring)
        except OUTAGES:
            living = {}
            self.stdout.write("  The database does not answer, so the tokens of these keys are not counted.")
        for dated in ring.dated:
            counted = f", {number_of(living[dated.key.kid], 'token')}" if living else ""
            self.stdout.write(f"  {line_of(dated, timezone.now())}{counted}")
        return ""


def place_of(kind: str) -> str:
    """Where the keys of this kind are written."""
    name = keys.SETTINGS[kind]
    return name if getattr(conf, name) else f"JWT_KEY_FILE {conf.JWT_KEY_FILE}".strip()


def line_of(dated: DatedKey, now: datetime) -> str:
    """A key in words: its name and algorithm, its state and since when, and the moments of the states to come."""
    state = dated.state(now)
    words = f"{dated.key.kid}  {dated.key.algorithm}  {state}"
    if (since := getattr(dated, state)) > ALWAYS:
        words += age_in_words(now - since)
    states = list(State)
    for later in states[states.index(state) + 1 :]:
        if moment := getattr(dated, later):
            words += f", {later} in {in_words(moment - now)} ({dates.moment(moment)})"
    return words


def age_in_words(age: timedelta) -> str:
    """How long something has lasted, in whole days, hours or minutes; "" for less than a minute."""
    return next((f" for {number_of(age // unit, name)}" for name, unit in UNITS.items() if age >= unit), "")


def in_words(time: timedelta) -> str:
    """How long to wait, rounded up, so that a wait of this length is never too short."""
    step = UNITS["hour" if time > UNITS["day"] else "minute"]
    left, words = -(-time // step) * step, []
    for name, unit in UNITS.items():
        number, left = divmod(left, unit)
        words += [number_of(number, name)] if number else []
    return " and ".join(words) or "0 minutes"


def number_of(number: int, noun: str) -> str:
    """The number and the noun, in the plural unless there is one."""
    return f"{number} {noun}{'s' * (number != 1)}"

"""Replaces keys: without a logout, or at once when a key has leaked.

A plan adds a key and sets the dates of the others. So a rotation is one write of the file, and every process follows
the dates by its clock.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.db.models import Count, F, Max, Q
from django.utils import timezone

from jwt_demo import key_writing, keys
from jwt_demo.conf import access_lifetime, conf, leeway, refresh_lifetime
from jwt_demo.keys import ALWAYS, DatedKey, Key, Ring, State
from jwt_demo.models import TokenFamilies, TokenFamily


class RotationUnderWay(Exception):
    """A key of this kind is pending. Another rotation now would replace a key that has not signed anything yet."""


@dataclass(frozen=True)
class Plan:
    """One ring before and after its rotation. `before` is `None` where there are no keys yet."""

    before: Ring | None
    after: Ring
    # Whether keys are removed although tokens that they signed may still be valid.
    forced: bool = False

    @classmethod
    def without_logout(cls, before: Ring, now: datetime) -> Self:
        """The next key signs after `JWT_KEYS_PENDING`. The present one retires when all its tokens have expired.

        If the lifetimes become longer before that, `TokenFamily.next` still lets no token outlive its key. Raises
        `RotationUnderWay`. Raises `ImproperlyConfigured` when the time is too short for every verifier to get the key.
        """
        if conf.JWT_KEYS_PENDING <= conf.JWT_KEYS_REREAD + conf.JWT_KEYS_MAX_AGE:
            # A check says the same, but the command that makes the first keys cannot run the checks.
            raise ImproperlyConfigured("JWT_KEYS_PENDING must be longer than JWT_KEYS_REREAD and JWT_KEYS_MAX_AGE.")
        if any(dated.state(now) is State.PENDING for dated in before.dated):
            raise RotationUnderWay(before.kind)
        change = now + timedelta(seconds=conf.JWT_KEYS_PENDING)
        next_key = DatedKey(new_secret(before.kind), now, change)
        return cls(before, followed_by(before, next_key, longest_life(before.kind)))

    @classmethod
    def at_once(cls, kind: str, before: Ring | None, now: datetime) -> Self:
        """The next key is the only one from now on. This is for the first key, and for a key that has leaked."""
        return cls(before, Ring(kind, [DatedKey(new_secret(kind), now, now)]), forced=True)

    @classmethod
    def from_setting(cls, kind: str, now: datetime) -> Self:
        """The keys of the setting, to be written into the file as they are.

        A setting does not say how old its first key is. Its age counts from now, or no reminder would ever come.
        """
        before = keys.ring(kind)
        end = now + longest_life(kind)
        dated = [
            replace(one, retired=end) if one.retiring else replace(one, pending=now, active=now) for one in before.dated
        ]
        return cls(before, Ring(kind, dated))

    def lost(self) -> TokenFamilies:
        """The logins that this plan would end: the key of their refresh token would retire before the token expires."""
        live = TokenFamily.objects.live()
        if self.after.kind == "access" or not has_tables():
            return live.none()  # a client whose access token is refused gets another by its refresh token
        if not self.forced and self.before is not None:
            # A login whose key is already missing is not ended by this plan.
            live = live.filter(kid__in=list(self.before))
        return live.exclude(_outlived_by_key(self.after))

    def gone(self) -> list[Key]:
        """The keys that this plan removes."""
        return [] if self.before is None else [key for kid, key in self.before.items() if kid not in self.after]


def followed_by(before: Ring, next_key: DatedKey, life: timedelta) -> Ring:
    """The ring in which `next_key` takes over when it begins to sign. The other keys retire `life` later.

    Keys that have retired are left out.
    """
    stay = [dated for dated in before.dated if dated.state(next_key.pending) is not State.RETIRED]
    change, end = next_key.active, next_key.active + life
    # A file that was written by hand may not say when a key retires.
    old = [replace(one, retiring=one.retiring or change, retired=one.retired or end) for one in stay]
    return Ring(before.kind, [*old, next_key])


def has_tables() -> bool:
    """Whether the table of the families exists. The first `migrate` makes it, and needs keys before that.

    Raises one of `OUTAGES` when the database does not answer: it is then unknown which logins new keys would end.
    """
    try:
        return TokenFamily._meta.db_table in connection.introspection.table_names()
    except OperationalError as error:
        if connection.vendor == "sqlite" and "unable to open" in str(error) and not _database_file().exists():
            return False
        raise


def _database_file() -> Path:
    name = str(connection.settings_dict["NAME"])
    return Path(unquote(urlsplit(name).path) if name.startswith("file:") else name)


def _outlived_by_key(ring: Ring) -> Q:
    found = Q(pk__in=[])
    for dated in ring.dated:
        found |= Q(kid=dated.key.kid, expires__lte=dated.retired) if dated.retired else Q(kid=dated.key.kid)
    return found


def new_secret(kind: str) -> str:
    """The secret of a key for this ring, of the algorithm that its setting names.

    Raises `ImproperlyConfigured` for an algorithm that this ring does not take.
    """
    algorithm = conf.JWT_ACCESS_ALGORITHM if kind == "access" else conf.JWT_REFRESH_ALGORITHM
    if algorithm not in keys.ALGORITHMS[kind]:
        allowed = ", ".join(keys.ALGORITHMS[kind])
        raise ImproperlyConfigured(f"JWT_{kind.upper()}_ALGORITHM must be one of {allowed}.")
    return key_writing.new_secret(algorithm)


def longest_life(kind: str) -> timedelta:
    """How long a key is needed after its last signature, for tokens of this kind.

    Until its last token has expired, plus the leeway between clocks and the grace period for repeated answers.
    """
    extra = leeway() + timedelta(seconds=conf.JWT_GRACE_PERIOD)
    if kind == "access":
        return timedelta(seconds=access_lifetime()) + extra
    by_settings = max(refresh_lifetime(remember) for remember in (False, True))
    # A login keeps the policy that it began with, whose lifetimes may be longer than those of the settings today.
    longest = (
        TokenFamily.objects.live().aggregate(life=Max(F("expires") - F("issued")))["life"] if has_tables() else None
    )
    return max(timedelta(seconds=by_settings), longest or timedelta(0)) + extra


def tokens_under(ring: Ring) -> dict[str, int]:
    """How many tokens of each key of a ring are live, by kid; none before the first `migrate`.

    Access tokens are not stored, but each refresh token is issued with one. So for access keys this counts the live
    logins whose refresh token was issued within the life of an access token, while the key was active.
    """
    if not has_tables():
        return dict.fromkeys((dated.key.kid for dated in ring.dated), 0)
    live = TokenFamily.objects.live()
    if ring.kind == "refresh":
        counted = dict(live.values_list("kid").annotate(Count("pk")))
        return {dated.key.kid: counted.get(dated.key.kid, 0) for dated in ring.dated}
    recent = live.filter(issued__gt=timezone.now() - timedelta(seconds=access_lifetime()))
    return {dated.key.kid: recent.filter(_issued_by(dated)).count() for dated in ring.dated}


def _issued_by(dated: DatedKey) -> Q:
    before = Q(issued__lt=dated.retiring) if dated.retiring else Q()
    return Q(issued__gte=dated.active) & before


def ensure_keys(path: Path) -> None:
    """Makes the keys that neither a setting nor the file has, so that a first start needs no command.

    Raises one of `keys.UNREADABLE` for a file that exists and cannot be used, and when keys are missing that live
    logins need: new keys would end these logins. Raises one of `OUTAGES` when the database cannot say so.
    """
    wanted = [kind for kind, name in keys.SETTINGS.items() if not getattr(conf, name)]
    if not wanted:
        return  # the folder of the file may not exist
    with key_writing.locked(path):
        rings = keys.read(path) if path.exists() else {}
        now = timezone.now()
        plans = [Plan.at_once(kind, None, now) for kind in wanted if kind not in rings]
        for plan in plans:
            if plan.lost().exists():
                raise keys.UnusableKeys(
                    f"It has no {plan.after.kind} keys, and logins need those that it had. Bring them back, or "
                    f"run manage.py rotate_keys {plan.after.kind} --force, which ends these logins."
                )
        if plans:
            key_writing.write(path, rings | {plan.after.kind: plan.after for plan in plans})


def reminders() -> list[str]:
    """What an administrator has to do about the keys: sentences, which contain no path. It asks no store."""
    found = [sentence for kind in keys.SETTINGS for sentence in _due(kind)]
    uses_file = not all(getattr(conf, name) for name in keys.SETTINGS.values())
    if uses_file and conf.JWT_KEY_FILE and (problem := keys.key_file().problem):
        found.append(problem)
    # Without a file, both kinds report the same sentence.
    return list(dict.fromkeys(found))


def _due(kind: str) -> Iterator[str]:
    try:
        newest = keys.ring(kind).dated[-1]
    except (ImproperlyConfigured, keys.UnusableKeys) as error:
        yield str(error)
        return
    age = timezone.now() - newest.active
    # The keys of a setting have no dates, and so no age.
    if newest.active > ALWAYS and age > timedelta(seconds=conf.JWT_KEYS_REPLACED_AFTER):
        yield f"The {kind} key {newest.key.kid} is {age.days} days old. Run manage.py rotate_keys {kind}."

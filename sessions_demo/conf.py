"""The settings of this app, and what holds where a project has none of its own. All in seconds."""

from security.conf import Conf

conf = Conf(
    # Two hours unused is a forgotten tab on a shared machine; a day is a working day; a remembered device is
    # somebody's own, where a fortnight unused means it was lost or put away.
    SESSION_IDLE_LIFETIME=2 * 60 * 60,
    SESSION_ABSOLUTE_LIFETIME=24 * 60 * 60,
    SESSION_IDLE_LIFETIME_REMEMBERED=14 * 24 * 60 * 60,
    SESSION_ABSOLUTE_LIFETIME_REMEMBERED=30 * 24 * 60 * 60,
    # A write a request would double the work of reading; to the minute is exact enough.
    SESSION_SEEN_EVERY=60,
    # How long the registry remembers what has ended.
    SESSION_ROWS_KEPT=30 * 24 * 60 * 60,
)

"""The settings of this app, with the defaults for a project that does not set them. All in seconds."""

from security.conf import Conf

conf = Conf(
    # Two hours unused is a forgotten tab on a shared machine, and a day is a working day. A remembered device is the
    # user's own, where a fortnight unused means that it was lost or is no longer used.
    SESSION_IDLE_LIFETIME=2 * 60 * 60,
    SESSION_ABSOLUTE_LIFETIME=24 * 60 * 60,
    SESSION_IDLE_LIFETIME_REMEMBERED=14 * 24 * 60 * 60,
    SESSION_ABSOLUTE_LIFETIME_REMEMBERED=30 * 24 * 60 * 60,
    # A write for each request would double the work; to the minute is exact enough.
    SESSION_SEEN_EVERY=60,
    # How long the registry remembers what has ended.
    SESSION_ROWS_KEPT=30 * 24 * 60 * 60,
)

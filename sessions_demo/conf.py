"""The settings of this app, with the defaults for a project that does not set them. All in seconds."""

from security.conf import Conf

conf = Conf(
    # On a shared machine, a session that was not used for two hours is probably forgotten, and a day covers a working
    # day. A remembered device is the user's own. If it was not used for two weeks, it is probably lost or given away.
    SESSION_IDLE_LIFETIME=2 * 60 * 60,
    SESSION_ABSOLUTE_LIFETIME=24 * 60 * 60,
    SESSION_IDLE_LIFETIME_REMEMBERED=14 * 24 * 60 * 60,
    SESSION_ABSOLUTE_LIFETIME_REMEMBERED=30 * 24 * 60 * 60,
    # The least time between two notes that a session is in use. A write for each request would double the work.
    SESSION_SEEN_EVERY=60,
    # How long the registry keeps the rows of ended sessions.
    SESSION_ROWS_KEPT=30 * 24 * 60 * 60,
)

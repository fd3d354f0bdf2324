"""The site's own settings with the times of the rehearsal. Only the servers of the rehearsal may import it."""

from datetime import timedelta

from config.settings import *  # noqa: F403
from tests.site.rehearsal.times import *  # noqa: F403
from tests.site.rehearsal.times import ACCESS_LIFETIME, LEEWAY, REFRESH_LIFETIME

# A new dict: changing the site's own would change it for every other test in the same process.
SIMPLE_JWT = SIMPLE_JWT | {  # noqa: F405
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=ACCESS_LIFETIME),
    "REFRESH_TOKEN_LIFETIME": timedelta(seconds=REFRESH_LIFETIME),
    "LEEWAY": LEEWAY,
}
JWT_REFRESH_LIFETIME_REMEMBERED = REFRESH_LIFETIME

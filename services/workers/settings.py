"""The settings of a worker: the site's, and one cache more."""

from config.settings import *  # noqa: F403
from config.settings import CACHES
from services.places import Places

CACHES = CACHES | {
    # As Django has it where nothing says otherwise, but for its limit: at 300 entries it throws a third of them away.
    "process_memory": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},
    },
    "process_memory_limited": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "limited",
    },
}
ROOT_URLCONF = "services.workers.urls"
places = Places.of_environment()

"""The settings of a worker: the site's, and two more caches."""

from config.settings import *  # noqa: F403
from config.settings import CACHES
from services.places import Places

CACHES = CACHES | {
    # Django's default cache with a higher limit. By default it deletes a third of its entries when it has 300.
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

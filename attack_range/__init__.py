"""The attack range runs attacks on weak variants of the site's features, and on the project's own code.

It is a separate process, with its own settings, keys, database and store. No other process can import it.
"""

from django.conf import settings

# Otherwise an import could make weak code a part of a process with real users.
if settings.configured and getattr(settings, "SETTINGS_MODULE", "") != "attack_range.settings":
    raise ImportError("The attack range is a process of its own. Start it with: python -m attack_range")

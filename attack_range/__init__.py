"""The attack range: weak variants of what the site does, attacked in a real browser, beside the project's own code.

A process of its own, with its own settings, keys, database and store. No other process can import it.
"""

from django.conf import settings

# Weak code must not become part of a process that holds real users, by whatever way it is imported.
if settings.configured and getattr(settings, "SETTINGS_MODULE", "") != "attack_range.settings":
    raise ImportError("The attack range is a process of its own. Start it with: python -m attack_range")

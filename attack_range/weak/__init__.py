"""The weak variants. Each has deliberate mistakes. No other process can import them."""

from django.conf import settings

# Checked here too, because `attack_range` may have been imported before the settings were known.
if settings.SETTINGS_MODULE != "attack_range.settings":
    raise ImportError("The weak code belongs to the attack range alone. Start it with: python -m attack_range")

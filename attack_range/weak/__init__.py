"""The weak variants. Each is wrong in one line, on purpose. Nothing outside this process can import them."""

from django.conf import settings

# As in the package above, which may have been imported before there were settings to look at.
if settings.SETTINGS_MODULE != "attack_range.settings":
    raise ImportError("The weak code belongs to the attack range alone. Start it with: python -m attack_range")

"""The project's signal receiver for a theft, added together with the part."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.dispatch import receiver

from security.signals import token_reuse_detected


@receiver(token_reuse_detected)
def note(sender: object, user: Any, everything: bool, **kwargs: Any) -> None:
    """Writes it to a file."""
    with Path(settings.BASE_DIR, "told").open("a") as told:
        told.write(f"{user.get_username()} {everything}\n")

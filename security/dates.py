"""Dates in sentences, in the project's format and time zone.

Gives `moment`. The format is Django's `DATETIME_FORMAT`, which a project can set with `FORMAT_MODULE_PATH`.
"""

from datetime import datetime

from django.utils.formats import date_format
from django.utils.timezone import localtime


def moment(at: datetime) -> str:
    """The date and the time of day, as templates and the admin show them."""
    return date_format(localtime(at), "DATETIME_FORMAT")

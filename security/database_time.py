"""One clock for all machines: the database's.

Two web machines' clocks differ by seconds, and so do a web machine's and housekeeping's. Where seconds decide, the
database is asked, in the statement that reads or writes the row. Gives `database_now`.
"""

from django.db import connection
from django.db.models import DateTimeField, Expression, Value
from django.db.models.functions import Now
from django.utils import timezone


def database_now() -> Expression:
    """The database's present time, for an annotation, a filter or an UPDATE.

    SQLite is on this machine and has this machine's clock.
    """
    return Value(timezone.now(), output_field=DateTimeField()) if connection.vendor == "sqlite" else Now()

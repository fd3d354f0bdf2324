"""One clock for all machines: the database's.

The clocks of two machines that run web processes or housekeeping may differ by seconds. Where seconds decide, the
statement that reads or writes the row uses the database's clock. Gives `database_now`.
"""

from django.db import connection
from django.db.models import DateTimeField, Expression, Value
from django.db.models.functions import Now
from django.utils import timezone


def database_now() -> Expression:
    """The database's present time, for an annotation, a filter or an UPDATE.

    SQLite runs in this process and uses this machine's clock, as `timezone.now()` does.
    """
    return Value(timezone.now(), output_field=DateTimeField()) if connection.vendor == "sqlite" else Now()

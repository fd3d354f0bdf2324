"""Statements that are built once and kept, for the most frequent queries.

Django builds a query and its SQL anew for each read. For the row of a user that takes ten times as long as the
database does. A value that differs between two runs must be a `Slot`. Everything else is part of the statement.
"""

from dataclasses import dataclass
from typing import Any, Self

from django.db import connections, router
from django.db.models import Expression, Field, QuerySet
from django.db.models.sql import Query

# The methods that a project may override in its query set without changing what is read.
WRITES = {"create", "bulk_create", "get_or_create", "update", "update_or_create", "bulk_update", "delete"}
CLASS_BODY = {*vars(type("Empty", (), {})), "__orig_bases__", "__parameters__", "__annotations__", "__firstlineno__"}
HARMLESS = CLASS_BODY | {"__static_attributes__"} | WRITES | {f"a{name}" for name in WRITES}


class Slot(Expression):
    """The place of a value that is given at each run and converted by `field`."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """A placeholder, with the slot itself as its parameter."""
        return "%s", [self]

    def value(self, given: Any, connection: Any) -> Any:
        """`given` in the form that this database takes. Raises what a filter by `given` raises."""
        return self.output_field.get_db_prep_value(given, connection, prepared=False)


@dataclass(frozen=True)
class Statement:
    """A SELECT in the SQL of one kind of database. It holds no connection, so that all threads may share it."""

    sql: str
    parameters: tuple[Any, ...]
    # The columns whose values must be converted for Python, with their positions.
    converted: tuple[tuple[int, Any], ...]

    @classmethod
    def of(cls, rows: QuerySet[Any]) -> Self:
        """The statement of a `values_list`, for the database that it would ask."""
        # `get_compiler`, and `as_sql` and `select` of the compiler, are not documented by Django. If a new version
        # changes them, every login fails; the tests of this module show it first.
        compiler = rows.query.get_compiler(rows.db)
        sql, parameters = compiler.as_sql()
        columns = enumerate(column for column, _, _ in compiler.select)
        converted = [(place, column) for place, column in columns if _converters(column, compiler.connection)]
        return cls(sql, tuple(parameters), tuple(converted))

    def first(self, using: str, **values: Any) -> list[Any] | None:
        """The first row for these values of the slots, as Python has them; `None` when there is no row."""
        connection = connections[using]
        given = [one.value(values[one.name], connection) if isinstance(one, Slot) else one for one in self.parameters]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, given)
            if (found := cursor.fetchone()) is None:
                return None
        row = list(found)
        for place, column in self.converted:
            for convert in _converters(column, connection):
                row[place] = convert(row[place], column, connection)
        return row


def _converters(column: Any, connection: Any) -> list[Any]:
    # In the order of Django's compiler. The database's converters hold the connection, so they cannot be kept.
    return [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]


def insert(model: Any, values: dict[str, Any], unless_there: bool = False) -> bool:
    """Inserts a row with these values, by field name, and sends no signal. Returns whether it did.

    Raises `IntegrityError` if there is such a row already; with `unless_there` it then does nothing.
    """
    connection, quote = _writer(model)
    columns = ", ".join(quote(model._meta.get_field(name).column) for name in values)
    places = ", ".join(["%s"] * len(values))
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({places})"  # noqa: S608
    return _write(connection, sql + " ON CONFLICT DO NOTHING" * unless_there, model, values) == 1


def update(model: Any, where: dict[str, Any], values: dict[str, Any]) -> int:
    """Does `filter(**where).update(**values)` for plain values; `None` means NULL. Returns the number of rows."""
    connection, quote = _writer(model)
    columns = {name: quote(model._meta.get_field(name).column) for name in [*values, *where]}
    changes = ", ".join(f"{columns[name]} = %s" for name in values)
    tests = " AND ".join(f"{columns[name]} {'IS NULL' if where[name] is None else '= %s'}" for name in where)
    sql = f"UPDATE {quote(model._meta.db_table)} SET {changes} WHERE {tests}"  # noqa: S608
    asked = {name: value for name, value in where.items() if value is not None}
    return _write(connection, sql, model, values, asked)


def _writer(model: Any) -> tuple[Any, Any]:
    connection = connections[router.db_for_write(model)]
    return connection, connection.ops.quote_name


def _write(connection: Any, sql: str, model: Any, *given: dict[str, Any]) -> int:
    parameters = [
        model._meta.get_field(name).get_db_prep_save(value, connection)
        for values in given
        for name, value in values.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def is_everything(rows: QuerySet[Any]) -> bool:
    """Whether these rows of a model's manager are all rows of the table, as with Django's own manager.

    Only then is the statement the same each time. A manager may hide rows by something that changes, such as the tenant
    of a request. A kept statement would then show the rows of one tenant to another.
    """
    fresh: QuerySet[Any] = QuerySet(rows.model)
    # `_query` is a private name of Django's. If it changes, no two query sets are equal, and nothing is kept.
    alike = vars(rows) | {"_query": None} == vars(fresh) | {"_query": None}
    plain = type(rows.query) is Query and vars(rows.query) == vars(fresh.query)
    return alike and plain and not _overridden(type(rows))


def _overridden(kind: type) -> set[str]:
    own = kind.__mro__[: kind.__mro__.index(QuerySet)]
    return {name for one in own for name in vars(one) if hasattr(QuerySet, name)} - HARMLESS

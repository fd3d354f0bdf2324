"""Statements that are not built anew each time, for what requests ask most often.

Django builds the tree of a query and writes its SQL anew for each read. For the row of a user that takes ten times as
long as the database does. What differs between two runs must be a `Slot`: everything else is part of the statement.
"""

from dataclasses import dataclass
from typing import Any, Self

from django.db import connections, router
from django.db.models import Expression, Field, QuerySet
from django.db.models.sql import Query

# What a project may change in a query set of its own without changing what is read.
WRITES = {"create", "bulk_create", "get_or_create", "update", "update_or_create", "bulk_update", "delete"}
CLASS_BODY = {*vars(type("Empty", (), {})), "__orig_bases__", "__parameters__", "__annotations__", "__firstlineno__"}
HARMLESS = CLASS_BODY | {"__static_attributes__"} | WRITES | {f"a{name}" for name in WRITES}


class Slot(Expression):
    """The place of a value that is given at each run, in the form of `field`."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """A placeholder, for which the slot itself stands among the parameters."""
        return "%s", [self]

    def value(self, given: Any, connection: Any) -> Any:
        """What this database takes for `given`. Raises as a filter by `given` does."""
        return self.output_field.get_db_prep_value(given, connection, prepared=False)


@dataclass(frozen=True)
class Statement:
    """A SELECT in the SQL of one kind of database. It holds no connection, so that all threads may share it."""

    sql: str
    parameters: tuple[Any, ...]
    # Those whose values are not as Python has them, with their places.
    converted: tuple[tuple[int, Any], ...]

    @classmethod
    def of(cls, rows: QuerySet[Any]) -> Self:
        """The statement of a `values_list`, for the database that it would ask."""
        # `get_compiler`, `as_sql` and `select` of Django's compiler are not documented. Without one of them every login
        # fails, and the tests of this module first.
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
    # In the order of Django's compiler. Those of the database hold the connection, and cannot be kept.
    return [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]


def insert(model: Any, values: dict[str, Any], unless_there: bool = False) -> bool:
    """Inserts a row by the attributes of its fields, and sends no signal; whether it did.

    Raises `IntegrityError` for a row like another one, or with `unless_there` does nothing.
    """
    connection, quote = _writer(model)
    columns = ", ".join(quote(model._meta.get_field(name).column) for name in values)
    places = ", ".join(["%s"] * len(values))
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({places})"  # noqa: S608
    return _write(connection, sql + " ON CONFLICT DO NOTHING" * unless_there, model, values) == 1


def update(model: Any, where: dict[str, Any], values: dict[str, Any]) -> int:
    """`filter(**where).update(**values)` for plain values, of which `None` is NULL. How many rows it was."""
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
    """Whether a model's manager gives all rows of the table, as Django's own manager does.

    Its statement is then the same each time. A manager may hide rows by what changes, such as the tenant of a request:
    a statement of it that was kept would show the rows of one tenant to another.
    """
    fresh: QuerySet[Any] = QuerySet(rows.model)
    # `_query` is a private name. With another one no two sets are alike, and each read builds its statement anew.
    alike = vars(rows) | {"_query": None} == vars(fresh) | {"_query": None}
    plain = type(rows.query) is Query and vars(rows.query) == vars(fresh.query)
    return alike and plain and not _overridden(type(rows))


def _overridden(kind: type) -> set[str]:
    own = kind.__mro__[: kind.__mro__.index(QuerySet)]
    return {name for one in own for name in vars(one) if hasattr(QuerySet, name)} - HARMLESS

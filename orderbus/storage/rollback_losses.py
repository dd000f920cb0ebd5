"""The rows and values that are lost when migrations are undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

#: Columns whose values are found out anew where they are missing, so nobody loses them.
_FOUND_OUT_ANEW: Final = {("ops.watermarks", "day")}
#: Runs one statement and returns its rows.
Rows = Callable[[str], Iterable[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Loss:
    """How many rows of a table are lost; or, where ``column`` is given, how many of its values."""

    table: str
    column: str | None
    count: int

    def __str__(self) -> str:
        """Write it as people read it."""
        what = "row" if self.column is None else "value"
        of = "" if self.column is None else f" of {self.column}"
        return f"{self.table}: {self.count} {what}{'' if self.count == 1 else 's'}{of}"


@dataclass(frozen=True, slots=True)
class Table:
    """What a table holds: its rows, and by column the values that are not the default."""

    rows: int
    values: Mapping[str, int]


def columns(rows: Rows) -> dict[str, dict[str, str | None]]:
    """List each table of ours with its columns and their defaults; a partitioned one counts once.

    Where a default is computed, or none, it is None.
    """
    found: dict[str, dict[str, str | None]] = {}
    for table, column, default in rows(
        """
        SELECT format('%I.%I', nspname, relname), quote_ident(attname),
               pg_get_expr(adbin, adrelid)
          FROM pg_class
          JOIN pg_namespace ON pg_namespace.oid = relnamespace
          JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
          LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE relkind IN ('r', 'p') AND NOT relispartition
           AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
           AND relname NOT LIKE '%yoyo\\_%'
         ORDER BY 1, attnum
        """
    ):
        known = default if default and "(" not in default else None
        found.setdefault(table, {})[column] = known
    return found


def contents(rows: Rows) -> dict[str, Table]:
    """Count what each table of ours holds."""
    return {table: _content(rows, table, its) for table, its in columns(rows).items()}


def _content(rows: Rows, table: str, its: Mapping[str, str | None]) -> Table:
    # Names and defaults come quoted from PostgreSQL's own catalogue.
    counts = ", ".join(
        f"count(*) FILTER (WHERE {column} IS DISTINCT FROM {default or 'NULL'})"
        for column, default in its.items()
    )
    ((count, *values),) = rows(f"SELECT count(*), {counts} FROM {table}")  # noqa: S608 - as above
    return Table(count, dict(zip(its, values, strict=True)))


def between(
    before: Mapping[str, Table],
    down: Mapping[str, Mapping[str, object]],
    up_again: Mapping[str, Table],
) -> list[Loss]:
    """Tell what is lost on the way down and up again.

    ``down`` has the columns that are left below. What a migration brings along is not lost.
    """
    losses = []
    for name, table in before.items():
        left = up_again[name].rows if name in up_again else 0
        if left < table.rows:
            losses.append(Loss(name, None, table.rows - left))
        if name in down:
            losses += [
                Loss(name, column, count)
                for column, count in table.values.items()
                if column not in down[name] and count and (name, column) not in _FOUND_OUT_ANEW
            ]
    return losses


def more(found: Iterable[Loss], agreed: Iterable[Loss]) -> list[Loss]:
    """List what would be lost beyond what was agreed to."""
    allowed = {(loss.table, loss.column): loss.count for loss in agreed}
    return [loss for loss in found if loss.count > allowed.get((loss.table, loss.column), 0)]

"""The rows and values that are lost when migrations are undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

#: Columns whose values are found out anew where they are missing, or come with the migration, so
#: nobody loses them.
_FOUND_OUT_ANEW: Final = {("ops.watermarks", "day"), ("orders.moves", "axis")}
#: Runs one statement and returns its rows.
Rows = Callable[[str], Iterable[tuple[Any, ...]]]
#: How many rows there are of a table, and of each of its columns how many values.
Contents = Mapping[tuple[str, str | None], int]


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


def contents(rows: Rows) -> Contents:
    """Count what each table of ours holds: its rows, and by column what is not the default."""
    found: dict[tuple[str, str | None], int] = {}
    for table, its in columns(rows).items():
        # Names and defaults come quoted from PostgreSQL's own catalogue.
        counts = ", ".join(
            f"count(*) FILTER (WHERE {column} IS DISTINCT FROM {default or 'NULL'})"
            for column, default in its.items()
        )
        (row,) = rows(f"SELECT count(*), {counts} FROM {table}")  # noqa: S608 - as above
        found |= zip([(table, column) for column in (None, *its)], row, strict=True)
    return found


def between(
    before: Contents, down: Mapping[str, Mapping[str, object]], up_again: Contents
) -> list[Loss]:
    """Tell what is lost on the way down and up again.

    ``down`` has the columns that are left below. What a migration brings along is not lost.
    """
    losses = []
    for (table, column), count in before.items():
        if column is None:
            lost = count - up_again.get((table, None), 0)
        else:
            stays = column in down.get(table, {column}) or (table, column) in _FOUND_OUT_ANEW
            lost = 0 if stays else count
        if lost > 0:
            losses.append(Loss(table, column, lost))
    return losses


def more(found: Iterable[Loss], agreed: Iterable[Loss]) -> list[Loss]:
    """List what would be lost beyond what was agreed to."""
    allowed = {(loss.table, loss.column): loss.count for loss in agreed}
    return [loss for loss in found if loss.count > allowed.get((loss.table, loss.column), 0)]

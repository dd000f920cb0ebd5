"""Rows for every table there is, whatever tables there are.

Values are drawn until the constraints let a row pass: constants that the constraints name, and a
few of each type. So a table that is added later is filled without being named here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from orderbus.storage.database import Connection

ROWS: Final = 4
_TRIES: Final = 1500
#: Expressions for a type's columns; one that a CHECK refuses is drawn in vain.
_VALUES: Final = {
    "text": ("'order.created'", "'a_word'", "gen_random_uuid()::text", "'https://shop.example/'"),
    "uuid": ("gen_random_uuid()",),
    "timestamptz": ("now()",),
    "bytea": ("sha256(gen_random_uuid()::text::bytea)",),
    "jsonb": ("'{}'", "'[]'"),
    "bool": ("true", "false"),
    "date": ("current_date",),
    "interval": ("interval '1 s'",),
    "_text": ("'{order.*}'",),
    "inet": ("'127.0.0.1'",),
}
_NUMBER: Final = ("(random() * 1000000)::integer + 1", "1", "0")


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    may_be_null: bool
    has_default: bool
    refers_to: str | None
    named: Sequence[str]

    def draw(self, dice: random.Random) -> str:
        """Draw an expression for a value."""
        if self.may_be_null and dice.random() < 0.5:
            return "NULL"
        if self.has_default and dice.random() < 0.5:
            return "DEFAULT"
        if self.refers_to:
            return f"({self.refers_to} ORDER BY random() LIMIT 1)"
        if self.type == "text" and self.named:
            return dice.choice(self.named)
        return dice.choice(_VALUES.get(self.type, _NUMBER))


async def tables(connection: Connection) -> dict[str, list[Column]]:
    """List every table of ours, each after those it refers to."""
    rows = await connection.fetch(
        r"""
        SELECT format('%I.%I', nspname, relname) AS name, attname, typname, attnotnull, atthasdef,
               (SELECT format('SELECT %I FROM %s', theirs.attname, confrelid::regclass)
                  FROM pg_constraint
                  JOIN pg_attribute AS theirs
                    ON theirs.attrelid = confrelid AND theirs.attnum = confkey[1]
                 WHERE contype = 'f' AND conrelid = pg_class.oid AND conkey = ARRAY[mine.attnum]
                   AND confrelid <> conrelid)
                   AS refers_to,
               (SELECT string_agg(pg_get_constraintdef(oid), ' ')
                  FROM pg_constraint
                 WHERE contype = 'c' AND conrelid = pg_class.oid AND conkey[1] = mine.attnum
                   AND cardinality(conkey) = 1 AND pg_get_constraintdef(oid) !~ '~') AS checks
          FROM pg_class
          JOIN pg_namespace ON pg_namespace.oid = relnamespace
          JOIN pg_attribute AS mine ON attrelid = pg_class.oid
          JOIN pg_type ON pg_type.oid = atttypid
         WHERE relkind IN ('r', 'p') AND NOT relispartition
           AND nspname IN (SELECT nspname FROM pg_namespace
                            WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema')
           AND relname NOT LIKE '%yoyo\_%'
           AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
         ORDER BY pg_class.oid, attnum
        """
    )
    found: dict[str, list[Column]] = {}
    for row in rows:
        column = Column(
            row["attname"],
            row["typname"],
            not row["attnotnull"],
            row["atthasdef"],
            row["refers_to"],
            re.findall(r"'[^']*'", row["checks"] or ""),
        )
        found.setdefault(row["name"], []).append(column)
    return found


async def fill(connection: Connection) -> dict[str, int]:
    """Put rows into every table that has none; returns how many each has."""
    every = await tables(connection)
    counted = {name: await _count(connection, name) for name in every}
    waiting = {name: columns for name, columns in every.items() if not counted[name]}
    while waiting:
        ready = [name for name in waiting if not _refers_to(waiting[name], waiting, but=name)]
        assert ready, f"these refer to one another: {list(waiting)}"
        for name in ready:
            await _fill(connection, name, waiting.pop(name))
    return {name: await _count(connection, name) for name in every}  # some bring others along


async def _count(connection: Connection, table: str) -> int:
    return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


def _refers_to(columns: Sequence[Column], tables: Mapping[str, Any], *, but: str) -> bool:
    targets = {column.refers_to.split()[-1] for column in columns if column.refers_to}
    return bool(targets & (set(tables) - {but}))


async def _fill(connection: Connection, table: str, columns: Sequence[Column]) -> None:
    dice = random.Random(table)  # noqa: S311 - the same rows each time
    added = 0
    for _ in range(_TRIES):
        values = ", ".join(column.draw(dice) for column in columns)
        names = ", ".join(f'"{column.name}"' for column in columns)
        try:
            await connection.execute(f"INSERT INTO {table} ({names}) VALUES ({values})")
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError):
            continue
        added += 1
        if added == ROWS:
            return

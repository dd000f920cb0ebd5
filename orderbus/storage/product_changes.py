"""What changed in the catalogue lately, for whoever keeps a copy of some of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from orderbus.storage import rows
from orderbus.storage.database import Connection

#: Changes of either kind that one look finds at most.
MOST: Final = 1_000
#: Movements, and seconds, before what was found last that are looked at once more: what was begun
#: earlier may be committed later.
LOOK_BACK: Final = 200
LOOK_BACK_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Change:
    """A product that is in another version, or of which stock moved; ``number`` says which time."""

    product_id: int
    of: str
    number: int


@dataclass(frozen=True, slots=True)
class Mark:
    """How far was looked."""

    movement: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What changed, and how far was looked; ``changes`` is None where there were too many."""

    mark: Mark
    changes: frozenset[Change] | None


async def begin(connection: Connection) -> Mark:
    """Say how far what changed reaches now."""
    row = await connection.fetchrow(
        """
        SELECT coalesce((SELECT max(id) FROM products.stock_movements), 0) AS movement, now() AS at
        """
    )
    return rows.one(Mark, row)


async def since(connection: Connection, mark: Mark) -> Found:
    """Find what changed since a mark, and once more what changed shortly before it.

    What is committed more than ``LOOK_BACK`` movements or seconds after it was written is missed.
    """
    found = await connection.fetch(
        """
        (SELECT product_id, 'stock' AS of, id AS number, at
           FROM products.stock_movements
          WHERE id > $1
          ORDER BY id
          LIMIT $3 + 1)
         UNION ALL
        (SELECT id, 'product', version, updated_at
           FROM products.products
          WHERE updated_at > $2
          ORDER BY updated_at
          LIMIT $3 + 1)
        """,
        mark.movement - LOOK_BACK,
        mark.at - timedelta(seconds=LOOK_BACK_SECONDS),
        MOST,
    )
    if len(found) > MOST:
        return Found(await begin(connection), None)
    changes = rows.many(Change, found)
    moved = [change.number for change in changes if change.of == "stock"]
    at = max([row["at"] for row in found], default=mark.at)
    return Found(Mark(max([*moved, mark.movement]), max(at, mark.at)), frozenset(changes))

"""Stock as it is kept: counters that cannot be oversold, and the movements they are the sum of.

Every statement that changes counters locks the rows of all its products first, in the order of
their ids, so that no two wait for one another; it judges what it has locked, and writes counters
and movements, or nothing. ``never_oversold`` and the other checks of ``products.stock`` refuse
what a statement would have missed. It writes every counter that they look at, as it was locked:
PostgreSQL checks a row as the statement first saw it before it looks for a newer one, and what
somebody else has given back meanwhile would be missing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from orderbus import telemetry
from orderbus.domain.stock import MOST_UNITS, Kind, change
from orderbus.errors import NotFound
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Movement:
    """So many units of a product that move, for an order or a cart."""

    product_id: int
    kind: Kind
    quantity: int
    order_pk: int | None = None
    cart_uuid: UUID | None = None


@dataclass(frozen=True, slots=True)
class Short:
    """A product of which there is not enough, and how much could be had; None: there is none."""

    product_id: int
    available: int | None


@dataclass(frozen=True, slots=True)
class Concerned:
    """An order whose stock is given back, or taken, and who has it so."""

    order_pk: int
    actor: str
    request_id: str | None = None


_MOVE: Final = """
    WITH given AS MATERIALIZED (
        SELECT *
          FROM unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::int[], $6::int[],
                      $7::bigint[], $8::uuid[])
               AS given (product_id, kind, on_hand, reserved, allocated, shipped, order_id,
                         cart_uuid)
    ), wanted AS MATERIALIZED (
        SELECT product_id, sum(on_hand) AS on_hand, sum(reserved) AS reserved,
               sum(allocated) AS allocated, sum(shipped) AS shipped
          FROM given
         GROUP BY product_id
    ), locked AS MATERIALIZED (
        SELECT *
          FROM products.stock
         WHERE product_id = ANY ($1)
         ORDER BY product_id
           FOR NO KEY UPDATE
    ), short AS MATERIALIZED (
        SELECT wanted.product_id, locked.available + locked.backorder_limit AS available
          FROM wanted
          LEFT JOIN locked USING (product_id)
         WHERE locked.product_id IS NULL
            OR least(locked.on_hand + wanted.on_hand, locked.reserved + wanted.reserved,
                     locked.allocated + wanted.allocated) < 0
            OR greatest(locked.on_hand + wanted.on_hand, locked.reserved + wanted.reserved,
                        locked.allocated + wanted.allocated) > $11
            OR locked.available + locked.backorder_limit
               + wanted.on_hand - wanted.reserved - wanted.allocated < 0
    ), moved AS (
        UPDATE products.stock
           SET on_hand = locked.on_hand + wanted.on_hand,
               reserved = locked.reserved + wanted.reserved,
               allocated = locked.allocated + wanted.allocated,
               shipped = locked.shipped + wanted.shipped,
               backorder_limit = locked.backorder_limit,
               version = locked.version + 1
          FROM wanted
          JOIN locked USING (product_id)
         WHERE stock.product_id = wanted.product_id
           AND (SELECT count(*) FROM short) = 0
        RETURNING stock.product_id
    ), written AS (
        INSERT INTO products.stock_movements
               (product_id, kind, on_hand, reserved, allocated, shipped, order_id, cart_uuid, actor,
                request_id)
        SELECT product_id, kind, on_hand, reserved, allocated, shipped, order_id, cart_uuid, $9, $10
          FROM given
          JOIN moved USING (product_id)
    )
    SELECT * FROM short ORDER BY product_id
"""


async def move(connection: Connection, movements: Sequence[Movement], *, actor: str) -> list[Short]:
    """Move stock, all of it or, where of any product there is not enough, none.

    Returns the products that are short, each with what could be had; none where all was moved. One
    statement, however many; several of one product count together.
    """
    changes = [change(each.kind, each.quantity) for each in movements]
    short = await connection.fetch(
        _MOVE,
        [each.product_id for each in movements],
        [each.kind for each in movements],
        [each.on_hand for each in changes],
        [each.reserved for each in changes],
        [each.allocated for each in changes],
        [each.shipped for each in changes],
        [each.order_pk for each in movements],
        [each.cart_uuid for each in movements],
        actor,
        telemetry.request_id(),
        MOST_UNITS,
    )
    return rows.many(Short, short)


async def set_aside_of(connection: Connection, product_id: int) -> int:
    """Lock the stock of a product that is sold, and say how much of it is set aside by hand.

    Raises ``NotFound``.
    """
    locked = await connection.fetchval(
        """
        SELECT true
          FROM products.stock
         WHERE product_id = $1
           AND (SELECT active FROM products.products WHERE id = product_id)
           FOR NO KEY UPDATE
        """,
        product_id,
    )
    if locked is None:
        raise NotFound("Not found.")
    # In a statement of its own: it sees what moved while the first one waited.
    return int(
        await connection.fetchval(
            """
            SELECT coalesce(sum(reserved), 0)
              FROM products.stock_movements
             WHERE product_id = $1 AND kind IN ('set_aside', 'sent_aside')
            """,
            product_id,
        )
    )


_GIVE_BACK: Final = """
    WITH given AS (
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])
                      AS given (order_id, actor, request_id)
    ), owed AS MATERIALIZED (
        SELECT order_id, product_id, sum(allocated) AS units
          FROM products.stock_movements
         WHERE order_id = ANY ($1)
         GROUP BY order_id, product_id
        HAVING sum(allocated) > 0
    ), locked AS MATERIALIZED (
        SELECT *
          FROM products.stock
         WHERE product_id IN (SELECT product_id FROM owed)
         ORDER BY product_id
           FOR NO KEY UPDATE
    ), moved AS (
        UPDATE products.stock
           SET on_hand = locked.on_hand, reserved = locked.reserved,
               allocated = locked.allocated - back.units,
               backorder_limit = locked.backorder_limit, version = locked.version + 1
          FROM (SELECT product_id, sum(units) AS units FROM owed GROUP BY product_id) AS back
          JOIN locked USING (product_id)
         WHERE stock.product_id = back.product_id
    )
    INSERT INTO products.stock_movements
           (product_id, kind, on_hand, reserved, allocated, shipped, order_id, actor, request_id)
    SELECT product_id, 'returned', 0, 0, -units, 0, order_id, actor, request_id
      FROM owed
      JOIN given USING (order_id)
     ORDER BY order_id, product_id
"""


async def give_back(connection: Connection, ended: Sequence[Concerned]) -> None:
    """Give back what is allocated to orders that ended, whose rows are locked; some have nothing.

    One statement, however many. What was given back is not given back again.
    """
    await connection.execute(
        _GIVE_BACK,
        [each.order_pk for each in ended],
        [each.actor for each in ended],
        [each.request_id for each in ended],
    )


async def owed_to(connection: Connection, order_pk: int) -> dict[int, int]:
    """Say how much of which product is allocated to an order, whose row is locked."""
    owed = await connection.fetch(
        """
        SELECT product_id, sum(allocated) AS units
          FROM products.stock_movements
         WHERE order_id = $1
         GROUP BY product_id
        HAVING sum(allocated) > 0
        """,
        order_pk,
    )
    return {row["product_id"]: int(row["units"]) for row in owed}


@dataclass(frozen=True, slots=True)
class Left:
    """So much of a line of an order, counted from 1, that has left."""

    order_pk: int
    line: int
    quantity: int


async def leaving(connection: Connection, left: Sequence[Left]) -> list[Movement]:
    """Say which movements it is that lines have left: of what is allocated to their orders."""
    found = await connection.fetch(
        """
        SELECT order_id, product, least(sum(given.quantity), units) AS units
          FROM unnest($1::bigint[], $2::integer[], $3::integer[])
               AS given (order_id, line, quantity)
          JOIN orders.order_items AS item USING (order_id, line)
          LEFT JOIN products.products AS by_uuid ON by_uuid.uuid = product_uuid
          LEFT JOIN products.products AS by_sku ON product_uuid IS NULL AND by_sku.sku = item.sku
         CROSS JOIN LATERAL (SELECT coalesce(by_uuid.id, by_sku.id) AS product) AS named
         CROSS JOIN LATERAL (
               SELECT sum(allocated) AS units
                 FROM products.stock_movements AS movement
                WHERE movement.order_id = given.order_id AND product_id = product
               ) AS allocated
         WHERE units > 0
         GROUP BY order_id, product, units
        """,
        [each.order_pk for each in left],
        [each.line for each in left],
        [each.quantity for each in left],
    )
    return [
        Movement(row["product"], "shipped", int(row["units"]), order_pk=row["order_id"])
        for row in found
    ]

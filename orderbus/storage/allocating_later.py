"""Stock that orders take which are stored already: all that they name of it, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from orderbus.domain.stock import MOST_UNITS
from orderbus.errors import ShortLine
from orderbus.storage.database import Connection
from orderbus.storage.stock import Concerned

#: What orders gave back when they ended: of each product the last that moved for them, in the
#: transaction that moved the last of all. Which came last is told by its id, since the order's row
#: was locked: a transaction that waited for that began before what it waited for was written.
_GIVEN_BACK: Final = """
    SELECT order_id, product_id, units
      FROM (SELECT DISTINCT ON (order_id, product_id)
                   order_id, product_id, kind, -allocated AS units,
                   at = first_value(at) OVER (PARTITION BY order_id ORDER BY id DESC) AS is_last
              FROM products.stock_movements
             WHERE order_id = ANY ($1)
             ORDER BY order_id, product_id, id DESC) AS last
     WHERE kind = 'returned' AND is_last
"""
#: What orders name of the catalogue, that have never had any stock.
_NAMED: Final = """
    SELECT order_id, coalesce(by_uuid.id, by_sku.id) AS product_id,
           sum(quantity - shipped) AS units
      FROM orders.order_items AS item
      LEFT JOIN products.products AS by_uuid ON by_uuid.uuid = product_uuid
      LEFT JOIN products.products AS by_sku ON product_uuid IS NULL AND by_sku.sku = item.sku
     WHERE order_id = ANY ($1) AND coalesce(by_uuid.active, by_sku.active) AND quantity > shipped
       AND NOT EXISTS (SELECT FROM products.stock_movements AS movement
                        WHERE movement.order_id = item.order_id)
     GROUP BY order_id, coalesce(by_uuid.id, by_sku.id)
"""
_TAKE: Final = """
    WITH given AS (
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])
                      AS given (order_id, actor, request_id)
    ), lines AS MATERIALIZED ({lines}), locked AS MATERIALIZED (
        SELECT *
          FROM products.stock
         WHERE product_id IN (SELECT product_id FROM lines)
         ORDER BY product_id
           FOR NO KEY UPDATE
    ), judged AS MATERIALIZED (
        SELECT lines.*, locked.available + locked.backorder_limit AS free, locked.allocated,
               sum(units) OVER (PARTITION BY product_id ORDER BY order_id) AS wanted
          FROM lines
          JOIN locked USING (product_id)
    ), short AS MATERIALIZED (
        SELECT order_id, product_id, units, greatest(free - (wanted - units), 0) AS available
          FROM judged
         WHERE wanted > free OR allocated + wanted > $4
    ), taken AS MATERIALIZED (
        SELECT * FROM lines WHERE order_id NOT IN (SELECT order_id FROM short)
    ), moved AS (
        UPDATE products.stock
           SET on_hand = locked.on_hand, reserved = locked.reserved,
               allocated = locked.allocated + more.units,
               backorder_limit = locked.backorder_limit, version = locked.version + 1
          FROM (SELECT product_id, sum(units) AS units FROM taken GROUP BY product_id) AS more
          JOIN locked USING (product_id)
         WHERE stock.product_id = more.product_id
    ), written AS (
        INSERT INTO products.stock_movements
               (product_id, kind, on_hand, reserved, allocated, shipped, order_id, actor,
                request_id)
        SELECT product_id, 'allocated', 0, 0, units, 0, order_id, actor, request_id
          FROM taken
          JOIN given USING (order_id)
         ORDER BY order_id, product_id
    )
    SELECT order_id, products.sku, units, available
      FROM short
      JOIN products.products ON products.id = product_id
     ORDER BY order_id, products.sku
"""
_TAKE_AGAIN: Final = _TAKE.format(lines=_GIVEN_BACK)
_TAKE_NAMED: Final = _TAKE.format(lines=_NAMED)
_LOCK_GIVEN_BACK: Final = f"""
    SELECT FROM products.stock
     WHERE product_id IN (SELECT product_id FROM ({_GIVEN_BACK}) AS lines)
     ORDER BY product_id
       FOR NO KEY UPDATE
"""  # noqa: S608 - a constant of ours


async def take_again(
    connection: Connection, orders: Sequence[Concerned]
) -> Mapping[int, Sequence[ShortLine]]:
    """Allocate to orders, whose rows are locked, what they gave back; some gave nothing back.

    Names by order what is short: of such an order nothing is taken. One statement, however many.
    What was taken again is not taken once more.
    """
    return await _take(connection, _TAKE_AGAIN, orders)


async def take_named(
    connection: Connection, orders: Sequence[Concerned]
) -> Mapping[int, Sequence[ShortLine]]:
    """Allocate to orders, whose rows are locked, what they name of the catalogue.

    An order that ever had stock takes none; otherwise as ``take_again``. One may be named as short
    for what an order before it wanted and did not get: whoever refuses it asks for it alone first.
    """
    return await _take(connection, _TAKE_NAMED, orders)


async def lock_given_back(connection: Connection, orders: Sequence[int]) -> None:
    """Lock the stock of what orders gave back, for whoever takes it again for one after another."""
    await connection.execute(_LOCK_GIVEN_BACK, orders)


async def _take(
    connection: Connection, statement: str, orders: Sequence[Concerned]
) -> dict[int, list[ShortLine]]:
    records = await connection.fetch(
        statement,
        [each.order_pk for each in orders],
        [each.actor for each in orders],
        [each.request_id for each in orders],
        MOST_UNITS,
    )
    short: dict[int, list[ShortLine]] = {}
    for record in records:
        line = ShortLine(record["sku"], int(record["units"]), int(record["available"]))
        short.setdefault(record["order_id"], []).append(line)
    return short

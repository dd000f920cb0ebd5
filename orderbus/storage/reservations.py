"""What carts hold of the stock: for a time while they are open, for good once they are closed.

The cart's row is locked before its reservations, and these before the stock; see ``stock``. A
reservation that lapsed stays and holds nothing: closing the cart tries to hold it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from orderbus.domain.orders import OrderId
from orderbus.errors import ShortLine
from orderbus.storage import rows, stock
from orderbus.storage.database import Connection
from orderbus.storage.stock import Movement, Short


@dataclass(frozen=True, slots=True)
class Reservation:
    """So many units of a product that a cart holds until ``expires_at``, or held until then."""

    product_id: int
    sku: str
    quantity: int
    is_held: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many units of a product a cart is to hold from now on; 0 is none."""

    product_id: int
    quantity: int


async def hold(
    connection: Connection, cart_uuid: UUID, wanted: Sequence[Wanted], *, for_: timedelta
) -> list[Short]:
    """Let a cart, whose row is locked, hold so many of each product, all of them or none.

    Returns the products that there is too little of. What else the cart holds is held as long.
    """
    kept = {
        row["product_id"]: row["quantity"] if row["is_held"] else 0
        for row in await connection.fetch(
            "SELECT product_id, quantity, is_held FROM products.reservations"
            " WHERE cart_uuid = $1 ORDER BY product_id FOR UPDATE",
            cart_uuid,
        )
    }
    more = [(each.product_id, each.quantity - kept.get(each.product_id, 0)) for each in wanted]
    movements = [
        Movement(product, "reserved" if units > 0 else "released", abs(units), cart_uuid=cart_uuid)
        for product, units in more
        if units
    ]
    if movements and (short := await stock.move(connection, movements, actor=f"cart {cart_uuid}")):
        return short
    await connection.execute(
        """
        WITH given AS (
            SELECT * FROM unnest($2::bigint[], $3::integer[]) AS given (product_id, quantity)
        ), gone AS (
            DELETE FROM products.reservations
             WHERE cart_uuid = $1
               AND product_id IN (SELECT product_id FROM given WHERE quantity = 0)
        ), longer AS (
            UPDATE products.reservations
               SET expires_at = now() + $4::interval
             WHERE cart_uuid = $1 AND is_held AND product_id NOT IN (SELECT product_id FROM given)
        )
        INSERT INTO products.reservations (cart_uuid, product_id, quantity, expires_at)
        SELECT $1, product_id, quantity, now() + $4::interval FROM given WHERE quantity > 0
        ON CONFLICT (cart_uuid, product_id) DO UPDATE
           SET quantity = excluded.quantity, is_held = true, expires_at = excluded.expires_at
        """,
        cart_uuid,
        [each.product_id for each in wanted],
        [each.quantity for each in wanted],
        for_,
    )
    return []


#: Parts of a statement that is about to close the cart of its part ``cart``: what the cart holds is
#: locked, and ``short`` lists what lapsed and cannot be held again.
LOCKED: Final = """
    promised AS MATERIALIZED (
        SELECT *
          FROM products.reservations
         WHERE cart_uuid = (SELECT uuid FROM cart)
         ORDER BY product_id
           FOR UPDATE
    ), lapsed AS MATERIALIZED (
        SELECT * FROM promised WHERE NOT is_held
    ), locked AS MATERIALIZED (
        SELECT *
          FROM products.stock
         WHERE product_id IN (SELECT product_id FROM lapsed)
         ORDER BY product_id
           FOR NO KEY UPDATE
    ), short AS MATERIALIZED (
        SELECT product_id, locked.available + backorder_limit AS available, lapsed.quantity
          FROM lapsed
          JOIN locked USING (product_id)
         WHERE locked.available + backorder_limit < lapsed.quantity
    )
"""
#: The parts that follow: where the part ``closed`` has a row, all of it is held for good.
FOR_GOOD: Final = """
    kept AS (
        UPDATE products.reservations
           SET is_held = true, expires_at = 'infinity'
         WHERE cart_uuid = (SELECT uuid FROM closed)
    ), again AS (
        UPDATE products.stock
           SET on_hand = locked.on_hand, reserved = locked.reserved + lapsed.quantity,
               allocated = locked.allocated, backorder_limit = locked.backorder_limit,
               version = locked.version + 1
          FROM lapsed
          JOIN locked USING (product_id)
         WHERE stock.product_id = lapsed.product_id AND EXISTS (SELECT FROM closed)
    ), written AS (
        INSERT INTO products.stock_movements (product_id, kind, on_hand, reserved, allocated,
               shipped, cart_uuid, actor, request_id)
        SELECT product_id, 'reserved', 0, quantity, 0, 0, cart_uuid, 'cart ' || cart_uuid, $5
          FROM lapsed
         WHERE EXISTS (SELECT FROM closed)
    )
"""

_LAPSE: Final = """
    WITH due AS MATERIALIZED (
        SELECT cart_uuid, product_id, quantity
          FROM products.reservations
         WHERE is_held AND expires_at < now() AND expires_at < 'infinity'  -- so: by its index
         ORDER BY expires_at
         LIMIT $1
           FOR UPDATE SKIP LOCKED
    ), locked AS MATERIALIZED (
        SELECT *
          FROM products.stock
         WHERE product_id IN (SELECT product_id FROM due)
         ORDER BY product_id
           FOR NO KEY UPDATE
    ), moved AS (
        UPDATE products.stock
           SET on_hand = locked.on_hand, reserved = locked.reserved - units,
               allocated = locked.allocated, backorder_limit = locked.backorder_limit,
               version = locked.version + 1
          FROM (SELECT product_id, sum(quantity) AS units FROM due GROUP BY product_id) AS back
          JOIN locked USING (product_id)
         WHERE stock.product_id = back.product_id
    ), written AS (
        INSERT INTO products.stock_movements
               (product_id, kind, on_hand, reserved, allocated, shipped, cart_uuid, actor, reason)
        SELECT product_id, 'released', 0, -quantity, 0, 0, cart_uuid, 'dispatcher', 'it expired'
          FROM due
    ), lapsed AS (
        UPDATE products.reservations AS reservation
           SET is_held = false
          FROM due
         WHERE (reservation.cart_uuid, reservation.product_id) = (due.cart_uuid, due.product_id)
    )
    SELECT count(*) FROM due
"""


async def lapse(connection: Connection, *, at_most: int) -> int:
    """Give back what carts held longer than they may; returns how many reservations lapsed."""
    return int(await connection.fetchval(_LAPSE, at_most))


async def become_order(
    connection: Connection, cart_uuid: UUID, *, order_id: OrderId, actor: str
) -> list[ShortLine]:
    """Allocate to an order what its closed cart holds, in the order's transaction.

    Nothing can be short of what is held; what is not, since the cart was closed by a version that
    did not know of reservations, is allocated out of what is available, or named: nothing moved.
    """
    reserved = await connection.fetch(
        """
        SELECT product_id, quantity, is_held, sku, orders.id AS order_pk
          FROM products.reservations
          JOIN products.products ON products.id = product_id
         CROSS JOIN orders.orders
         WHERE reservations.cart_uuid = $1 AND orders.public_id = $2
         ORDER BY product_id
           FOR UPDATE OF reservations
        """,
        cart_uuid,
        order_id,
    )
    if not reserved:
        return []
    movements = [
        Movement(
            row["product_id"],
            "bought" if row["is_held"] else "allocated",
            row["quantity"],
            order_pk=row["order_pk"],
            cart_uuid=cart_uuid if row["is_held"] else None,
        )
        for row in reserved
    ]
    short = await stock.move(connection, movements, actor=actor)
    if not short:
        await connection.execute(
            "DELETE FROM products.reservations WHERE cart_uuid = $1", cart_uuid
        )
    lines = {row["product_id"]: row for row in reserved}
    return [
        ShortLine(line["sku"], line["quantity"], each.available or 0)
        for each in short
        for line in [lines[each.product_id]]
    ]


async def list_of(connection: Connection, cart_uuid: UUID) -> list[Reservation]:
    """List what a cart holds, by sku, with what lapsed."""
    records = await connection.fetch(
        """
        SELECT product_id, sku, quantity, is_held, expires_at
          FROM products.reservations
          JOIN products.products ON products.id = product_id
         WHERE cart_uuid = $1
         ORDER BY sku
        """,
        cart_uuid,
    )
    return rows.many(Reservation, records)

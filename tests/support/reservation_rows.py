"""What carts hold of the stock, as tests look at it and let time pass."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from orderbus.storage.database import Database
from tests.support.scenario import value


async def let_time_pass(database: Database, age: timedelta = timedelta(days=8)) -> None:
    """Let what open carts hold expire so much earlier, but for what somebody is at work on."""
    await value(
        database,
        """
        UPDATE products.reservations AS reservation
           SET expires_at = expires_at - $1::interval
          FROM (SELECT cart_uuid, product_id FROM products.reservations FOR UPDATE SKIP LOCKED)
               AS free
         WHERE (reservation.cart_uuid, reservation.product_id) = (free.cart_uuid, free.product_id)
        """,
        age,
    )


async def count(database: Database) -> int:
    """Count reservations, with those that lapsed."""
    return int(await value(database, "SELECT count(*) FROM products.reservations"))


async def held(database: Database, cart: UUID) -> int:
    """Say how many units a cart holds."""
    query = "SELECT sum(quantity) FROM products.reservations WHERE cart_uuid = $1 AND is_held"
    return int(await value(database, query, cart) or 0)

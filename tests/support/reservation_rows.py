"""What carts hold of the stock, as tests look at it and let time pass."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from orderbus.storage.database import Connection, Database
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


async def add_many(connection: Connection, count: int) -> None:
    """Add open carts: half hold a unit of one of a hundred products, half did, 7 did too long."""
    await connection.execute(
        """
        INSERT INTO products.products (sku, name, price)
        SELECT 'sku-' || n, 'Tea', 5 FROM generate_series(1, 100) AS n
        """
    )
    await connection.execute(
        "INSERT INTO products.stock (product_id, on_hand, reserved)"
        " SELECT id, $1::integer, $1::integer / 200 FROM products.products",
        count,
    )
    await connection.execute(
        "INSERT INTO orders.carts (total_amount) SELECT 5 FROM generate_series(1, $1)", count
    )
    await connection.execute(
        """
        INSERT INTO products.reservations (cart_uuid, product_id, quantity, is_held, expires_at)
        SELECT uuid, 1 + n % 100, 1, n % 2 = 0 OR n < 14,
               now() + CASE WHEN n < 14 AND n % 2 = 1 THEN -1 ELSE 1 END * interval '1 hour'
          FROM (SELECT uuid, row_number() OVER (ORDER BY id) AS n FROM orders.carts) AS numbered
        """
    )
    await connection.execute("ANALYZE products.stock, products.reservations, orders.carts")


async def an_open_cart(connection: Connection) -> UUID:
    """Name one of the carts that hold something."""
    query = "SELECT cart_uuid FROM products.reservations WHERE is_held AND expires_at > now()"
    cart: UUID = await connection.fetchval(f"{query} LIMIT 1")
    return cart

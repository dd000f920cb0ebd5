"""Products and their stock, as tests make and look at them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from uuid import uuid4

from orderbus import services, storage
from orderbus.domain.products import NewProduct
from orderbus.storage.database import Connection, Database
from orderbus.storage.stock import Movement
from orderbus.storage.stock_bookings import Line
from orderbus.storage.stock_views import Difference, Level
from tests.support.scenario import place, value


async def add(database: Database, on_hand: int, *, sku: str | None = None) -> int:
    """Add a product of which so many are on hand; returns its id."""
    sku = sku or f"sku-{uuid4().hex[:12]}"
    new = NewProduct(sku=sku, name="Tea", price=Decimal(5))
    product = await database.ask(storage.products.add, new)
    if on_hand:
        await book(database, sku, on_hand)
    return product.id


async def book_in(database: Database, on_hand: int) -> None:
    """Book so many of every product in."""
    for product in await database.ask(storage.products.list_by_sku, at_most=1000):
        await book(database, product.sku, on_hand)


async def book(database: Database, sku: str, on_hand: int) -> None:
    """Book so many of a product in."""
    line = Line(sku=sku, delta=on_hand)
    await database.ask(storage.stock_bookings.book, [line], each_alone=False, actor="test")


async def reserve_for_a_cart(database: Database, product: int, quantity: int) -> None:
    """Have a cart hold so many."""
    movement = Movement(product, "reserved", quantity, cart_uuid=uuid4())
    short = await database.ask(storage.stock.move, [movement], actor="test")
    assert short == []


async def level(database: Database, product: int) -> Level:
    """Say how much there is of a product."""
    sku = await value(database, "SELECT sku FROM products.products WHERE id = $1", product)
    return await database.ask(storage.stock_views.level, sku)


async def differences(database: Database) -> list[Difference]:
    """Say which counters are not the sum of their movements."""
    compared = [each async for each in services.stock.verify(database)]
    return [difference for each in compared for difference in each.differences]


async def movements(database: Database) -> int:
    """Count what moved."""
    return int(await value(database, "SELECT count(*) FROM products.stock_movements"))


async def allow_backorders(database: Database, product: int, limit: int) -> None:
    """Let so many be sold beyond what is on hand."""
    await value(
        database,
        "UPDATE products.stock SET backorder_limit = $2 WHERE product_id = $1",
        product,
        limit,
    )


async def write_past_us(database: Database, change: str) -> None:
    """Change counters as somebody may at psql, ``on_hand = 9``."""
    await value(database, f"UPDATE products.stock SET {change}")


async def rewrite_movements(database: Database) -> None:
    """Have somebody else have moved everything."""
    await value(database, "UPDATE products.stock_movements SET actor = 'else'")


async def remove_movements(database: Database) -> None:
    """Have nothing moved ever."""
    await value(database, "DELETE FROM products.stock_movements")


async def order_pk(database: Database) -> int:
    """Place an order, for whom stock moves; returns its number."""
    await place(database)
    return int(await value(database, "SELECT max(id) FROM orders.orders"))


async def withdraw(database: Database, product: int) -> None:
    """Let a product be sold no more."""
    await value(database, "UPDATE products.products SET active = false WHERE id = $1", product)


async def add_many(database: Database, skus: Sequence[str]) -> None:
    """Add products of which there are none."""
    async with database.transaction() as connection:
        for sku in skus:
            new = NewProduct(sku=sku, name="Tea", price=Decimal(5))
            await storage.products.add(connection, new)


async def on_hand(database: Database) -> int:
    """Say how many units of all products are on hand."""
    return int(await value(database, "SELECT sum(on_hand) FROM products.stock"))


async def add_movements(connection: Connection, product: int, order: int, count: int) -> None:
    """Let units of a product have been allocated to an order and returned, again and again."""
    await connection.execute(
        """
        INSERT INTO products.stock_movements
               (product_id, kind, on_hand, reserved, allocated, shipped, order_id, actor)
        SELECT $1, CASE WHEN n % 2 = 0 THEN 'returned' ELSE 'allocated' END, 0, 0,
               CASE WHEN n % 2 = 0 THEN -1 ELSE 1 END, 0, $2, 'test'
          FROM generate_series(1, $3::integer) AS n
        """,
        product,
        order,
        count,
    )
    await connection.execute("ANALYZE products.stock_movements")


async def check_nothing(database: Database) -> None:
    """Let the counters of a product be anything: what the table refuses is no guard any more."""
    names = "SELECT conname FROM pg_constraint WHERE conrelid = 'products.stock'::regclass"
    async with database.connection() as connection:
        for row in await connection.fetch(f"{names} AND contype = 'c'"):
            await connection.execute(f"ALTER TABLE products.stock DROP CONSTRAINT {row['conname']}")

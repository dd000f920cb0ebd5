"""So many products that a plan that reads them all is found out."""

from __future__ import annotations

from orderbus import storage
from orderbus.storage.database import Connection
from orderbus.storage.stock_bookings import Line
from tests.support.waiting import PATIENCE


async def add(connection: Connection, count: int) -> None:
    """Add products, the later the dearer; a few are red, in stock, out of sale, or drums."""
    await connection.execute(
        """
        INSERT INTO products.categories (slug, name, parent_id)
        VALUES ('guitars', 'Guitars', NULL), ('drums', 'Drums', NULL), ('snares', 'Snares', 2)
        """
    )
    await connection.execute(
        """
        INSERT INTO products.products (sku, name, price, description, active)
        SELECT 'sku-' || n, 'Guitar ' || n, n,
               CASE WHEN n % 9000 = 1 THEN 'a red one' ELSE 'an electric one' END,
               n % 9000 <> 2
          FROM generate_series(1, $1::integer) AS n
        """,
        count,
        timeout=PATIENCE,
    )
    await connection.execute(
        """
        INSERT INTO products.stock (product_id, on_hand)
        SELECT id, CASE WHEN id % 9000 = 3 THEN 5 ELSE 0 END FROM products.products
        """,
        timeout=PATIENCE,
    )
    await connection.execute(
        """
        INSERT INTO products.product_categories (product_id, category_id, is_chosen)
        SELECT id, CASE WHEN id % 9000 = 4 THEN 2 ELSE 1 END, true FROM products.products
        """,
        timeout=PATIENCE,
    )
    await connection.execute(
        "ANALYZE products.products, products.stock, products.categories,"
        " products.product_categories",
        timeout=PATIENCE,
    )


async def book(connection: Connection, count: int, on_hand: int) -> None:
    """Book so many of the first products in, as a person does."""
    lines = [Line(sku=f"sku-{number}", delta=on_hand) for number in range(1, count + 1)]
    await storage.stock_bookings.book(connection, lines, each_alone=False, actor="test")

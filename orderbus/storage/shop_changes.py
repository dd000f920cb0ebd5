"""What the lines of an order of the shop are of."""

from __future__ import annotations

from collections.abc import Mapping

from orderbus.domain.orders import ProductItem
from orderbus.storage.database import Connection


async def set_lines(
    connection: Connection, order_pk: int, items: Mapping[int, ProductItem]
) -> None:
    """Let lines of an order be these from now on; whoever calls has locked the order."""
    columns = zip(
        *(
            (line, item.sku, item.name, item.quantity, item.unit_price, item.product)
            for line, item in items.items()
        ),
        strict=True,
    )
    await connection.execute(
        """
        UPDATE orders.order_items
           SET sku = given.sku, name = given.name, quantity = given.quantity,
               unit_price = given.unit_price, product_uuid = given.product
          FROM unnest($2::integer[], $3::text[], $4::text[], $5::integer[], $6::numeric[],
                      $7::uuid[]) AS given (line, sku, name, quantity, unit_price, product)
         WHERE order_id = $1 AND order_items.line = given.line
        """,
        order_pk,
        *columns,
    )

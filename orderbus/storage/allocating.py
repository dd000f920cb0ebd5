"""Orders that are stored together with the stock they are allocated, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from orderbus.domain.orders import OrderId
from orderbus.domain.stock import MOST_UNITS
from orderbus.errors import ShortLine
from orderbus.storage import events, orders
from orderbus.storage.adding import Adding
from orderbus.storage.database import Connection
from orderbus.storage.orders import New

#: What an order that is stored with its stock is to the statement that stores orders: the stock is
#: locked before any order is written, by product, and an order fits where it fits behind all that
#: come before it in the same statement.
_ADD: Final = Adding(
    first="""
    , known AS MATERIALIZED (
        SELECT * FROM unnest($12::text[], $13::bigint[]) AS known (sku, product_id)
    ), lines AS MATERIALIZED (
        SELECT public_id, content ->> 'order_id' AS external_name, product_id, sku,
               sum(quantity) AS units
          FROM given,
               jsonb_to_recordset(content -> 'items') AS item (sku text, quantity bigint)
          JOIN known USING (sku)
         GROUP BY public_id, external_name, product_id, sku
    ), locked AS MATERIALIZED (
        SELECT *
          FROM products.stock
         WHERE product_id = ANY ($13)
         ORDER BY product_id
           FOR NO KEY UPDATE
    ), judged AS MATERIALIZED (
        SELECT lines.*, locked.available + locked.backorder_limit AS free, locked.allocated,
               sum(units) OVER (PARTITION BY product_id ORDER BY external_name, public_id)
               AS wanted
          FROM lines
          LEFT JOIN locked USING (product_id)
    ), short AS MATERIALIZED (
        SELECT public_id, sku, units, greatest(free - (wanted - units), 0) AS available
          FROM judged
         WHERE free IS NULL OR wanted > free OR allocated + wanted > $14
    )
    """,
    only="public_id NOT IN (SELECT public_id FROM short)",
    content="""
        content || coalesce(
            (SELECT jsonb_build_object('allocated', jsonb_agg(
                        jsonb_build_object('sku', sku, 'quantity', units) ORDER BY sku))
               FROM lines
              WHERE lines.public_id = placed.public_id
             HAVING count(*) > 0), '{}') AS content
    """,
    last="""
    , taken AS (
        SELECT product_id, sum(units) AS units
          FROM lines
          JOIN placed USING (public_id)
         GROUP BY product_id
    ), allocated AS (
        UPDATE products.stock
           SET on_hand = locked.on_hand, reserved = locked.reserved,
               allocated = locked.allocated + taken.units,
               backorder_limit = locked.backorder_limit, version = locked.version + 1
          FROM taken
          JOIN locked USING (product_id)
         WHERE stock.product_id = taken.product_id
    ), written AS (
        INSERT INTO products.stock_movements
               (product_id, kind, on_hand, reserved, allocated, shipped, order_id, actor,
                request_id)
        SELECT product_id, 'allocated', 0, 0, units, 0, placed.id,
               coalesce(given.actor, content ->> 'source'), request_id
          FROM lines
          JOIN placed USING (public_id)
          JOIN given USING (public_id)
    )
    SELECT public_id, created_at, NULL AS sku, NULL AS units, NULL AS available FROM placed
     UNION ALL
    SELECT public_id, NULL, sku, units, available FROM short
    """,
).statement()


#: An order that names a product which is sold now is left to whoever prices it.
_ADD_UNSOLD: Final = Adding(
    first="""
    , sold AS MATERIALIZED (
        SELECT DISTINCT public_id
          FROM given, jsonb_to_recordset(content -> 'items') AS item (sku text)
          JOIN products.products USING (sku)
         WHERE active
    )
    """,
    only="public_id NOT IN (SELECT public_id FROM sold)",
    last="""
    SELECT created_at, true AS is_placed FROM placed
     UNION ALL
    SELECT NULL, false FROM sold
    """,
).statement()


async def add_unsold(connection: Connection, new: New) -> datetime | Literal["sold"] | None:
    """Store an order as ``orders.add`` does, unless it names a product that is ``sold``."""
    rows = await connection.fetch(_ADD_UNSOLD, *orders.arguments([new]))
    if not rows:
        return None
    if not rows[0]["is_placed"]:
        return "sold"
    events.wake_dispatcher(connection)
    placed: datetime = rows[0]["created_at"]
    return placed


async def add(
    connection: Connection, new: Sequence[New], known: Mapping[str, int]
) -> list[datetime | Sequence[ShortLine] | None]:
    """Store orders as ``orders.add`` does, each with the stock of its lines that are ``known``.

    ``known`` maps skus to products. Of an order that does not fit nothing is stored; answered are
    the lines that are short, with what could be had behind all that came before it.
    """
    rows = await connection.fetch(
        _ADD, *orders.arguments(new), list(known), list(known.values()), MOST_UNITS
    )
    answers: dict[OrderId, datetime | list[ShortLine]] = {}
    for row in rows:
        if row["created_at"] is not None:
            answers[row["public_id"]] = row["created_at"]
            continue
        short = answers.setdefault(row["public_id"], [])
        assert isinstance(short, list)  # noqa: S101 - what is short is not stored
        short.append(ShortLine(row["sku"], int(row["units"]), int(row["available"] or 0)))
    if any(isinstance(answer, datetime) for answer in answers.values()):
        events.wake_dispatcher(connection)
    return [answers.get(one.order_id) for one in new]

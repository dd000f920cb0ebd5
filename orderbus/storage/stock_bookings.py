"""Stock that a person, or a program of the house, books in, out, or as it was counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from orderbus import telemetry
from orderbus.domain.stock import MOST_UNITS, Refusal
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How a product's ``on_hand`` is to change: to ``count``, or by ``delta``.

    The product is named by its uuid or by its sku. ``expected`` is what ``on_hand`` has to be now.
    """

    product: UUID | None = None
    sku: str | None = None
    count: int | None = None
    delta: int | None = None
    expected: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """What became of a line: ``on_hand`` before and after, or why it was refused.

    A line that only others kept from being booked has no ``error`` and is not ``ok``.
    """

    index: int
    ok: bool
    product_id: int | None
    before: int | None
    after: int | None
    promised: int | None
    version: int | None
    error: Refusal | None


_BOOK: Final = """
    WITH given AS MATERIALIZED (
        SELECT given.*, coalesce(by_uuid.id, by_sku.id) AS product_id
          FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
               WITH ORDINALITY AS given (product, sku, count, delta, expected, reason, line)
          LEFT JOIN products.products AS by_uuid ON by_uuid.uuid = product
          LEFT JOIN products.products AS by_sku ON by_sku.sku = given.sku
    ), locked AS MATERIALIZED (
        SELECT *
          FROM products.stock
         WHERE product_id = ANY (ARRAY(SELECT product_id FROM given))
         ORDER BY product_id
           FOR NO KEY UPDATE
    ), judged AS MATERIALIZED (
        SELECT given.line, given.product_id, locked.on_hand AS before, reason, given.count,
               coalesce(given.count, on_hand + delta) AS after,
               reserved + allocated AS promised, reserved, allocated, backorder_limit, version,
               CASE WHEN locked.product_id IS NULL THEN 'unknown'
                    WHEN row_number() OVER (PARTITION BY product_id ORDER BY line) > 1 THEN 'twice'
                    WHEN on_hand <> expected THEN 'stale'
                    WHEN coalesce(given.count, on_hand + delta) > $10 THEN 'too_many'
                    WHEN coalesce(given.count, on_hand + delta) < 0 THEN 'not_there'
                    WHEN coalesce(given.count, on_hand + delta) < on_hand
                         AND coalesce(given.count, on_hand + delta) + backorder_limit
                             < reserved + allocated THEN 'promised'
               END AS error
          FROM given
          LEFT JOIN locked USING (product_id)
    ), booked AS (
        UPDATE products.stock
           SET on_hand = after, reserved = judged.reserved, allocated = judged.allocated,
               backorder_limit = judged.backorder_limit, version = judged.version + 1
          FROM judged
         WHERE stock.product_id = judged.product_id
           AND error IS NULL
           AND after <> before
           AND ($9 OR (SELECT count(error) FROM judged) = 0)
        RETURNING stock.product_id, stock.version, line, count, before, after, reason
    ), written AS (
        INSERT INTO products.stock_movements
               (product_id, kind, on_hand, reserved, allocated, shipped, reason, actor, request_id)
        SELECT product_id,
               CASE WHEN count IS NOT NULL THEN 'counted'
                    WHEN after > before THEN 'received' ELSE 'removed' END,
               after - before, 0, 0, 0, reason, $7, $8
          FROM booked
         ORDER BY line
    )
    SELECT line - 1 AS index,
           error IS NULL AND ($9 OR (SELECT count(error) FROM judged) = 0) AS ok,
           product_id, judged.before, judged.after, promised,
           coalesce(booked.version, judged.version) AS version, error
      FROM judged
      LEFT JOIN booked USING (product_id, line)
     ORDER BY line
"""


async def book(
    connection: Connection, lines: Sequence[Line], *, each_alone: bool, actor: str
) -> list[Booked]:
    """Book lines of different products: all or none, or ``each_alone``; says what became of each.

    One statement, however many. What is as it is to be already is ``ok``, and no movement.
    """
    booked = await connection.fetch(
        _BOOK,
        [line.product for line in lines],
        [line.sku for line in lines],
        [line.count for line in lines],
        [line.delta for line in lines],
        [line.expected for line in lines],
        [line.reason for line in lines],
        actor,
        telemetry.request_id(),
        each_alone,
        MOST_UNITS,
    )
    return rows.many(Booked, booked)

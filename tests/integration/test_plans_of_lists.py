"""A list of orders is answered from an index, whatever is asked for and whenever planned."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from orderbus import storage
from orderbus.storage.database import Connection, Database
from orderbus.storage.order_lists import Filter
from tests.support import many_rows, order_rows, own_rows
from tests.support.plans import BOUND, plans, quiet_connection

ORDERS = 20_000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def many_orders(database: Database) -> AsyncIterator[Connection]:
    async with quiet_connection(database) as connection:
        await many_rows.orders(connection, BEGAN, ORDERS, have_left=True)
        await own_rows.belong_to_customers(connection)
        yield connection


def _filters() -> Iterator[Filter]:
    """Combine every filter with every other: what fits much, little and nothing."""
    choices: dict[str, tuple[Any, ...]] = {
        "statuses": (None, ["completed", "failed"]),
        "source": (None, "api"),
        "created_at__gte": (None, BEGAN + timedelta(minutes=10_000)),
        "oldest": (False, True),
    }
    found: tuple[dict[str, Any], ...] = (
        {},
        {"customer": "c7@shop.example"},
        {"external_ref": "SO-7"},
        {"fulfillment_status": "pending"},
        {"fulfillment_status": "delivered", "created_at__lt": BEGAN + timedelta(minutes=10_050)},
        {"fulfillment_status": "shipped"},
        {"fulfillment_status": "cancelled", "on_hold": False},
        {"on_hold": True},
        {"on_hold": True, "fulfillment_status": "pending"},
        {"customer": "c7@shop.example", "sku": "S-7", "fulfillment_status": "delivered"},
        {"external_ref": "SO-7", "customer": "c7@shop.example", "total__gte": 1, "total__lte": 2},
        {"customer_id": own_rows.BUYS_MUCH},
        {"customer_id": own_rows.BUYS_LITTLE, "fulfillment_status": "delivered", "total__gte": 1},
        {"customer_id": own_rows.BUYS_LITTLE, "customer": "c1@shop.example", "on_hold": False},
        {"customer_id": own_rows.BUYS_LITTLE, "external_ref": "SO-601"},
    )
    for values, by in itertools.product(itertools.product(*choices.values()), found):
        yield Filter(**{**dict(zip(choices, values, strict=True)), **by})


@pytest.mark.parametrize("mode", ["generic", "custom"])
async def test_every_combination_of_filters_is_answered_from_an_index_in_the_order_of_the_list(
    many_orders: Connection, mode: str
) -> None:
    faults = {}
    for wanted, position in itertools.product(_filters(), [None, ORDERS // 2]):

        async def ask(
            connection: Connection, wanted: Filter = wanted, position: int | None = position
        ) -> None:
            await storage.order_lists.list_page(connection, wanted, position=position, at_most=11)

        (plan,) = await plans(many_orders, mode, ask)
        # What one customer ordered is looked through, if it is to fit something else, too.
        if found := plan.faults(BOUND):
            faults[str((wanted, position))] = found

    assert faults == {}


async def test_every_filter_lists_what_fits_from_the_newest_or_the_oldest_on(
    many_orders: Connection,
) -> None:
    rows = await order_rows.newest_first(many_orders)
    for wanted, position in itertools.product(_filters(), [None, ORDERS // 2]):
        ordered = rows[::-1] if wanted.oldest else rows
        fitting = [row["public_id"] for row in ordered if _fits(row, wanted, position)]

        listed = await storage.order_lists.list_page(
            many_orders, wanted, position=position, at_most=11
        )

        assert [order.order_id for order in listed] == fitting[:11], (wanted, position)


def _fits(row: Any, wanted: Filter, position: int | None) -> bool:
    behind = position is None or (row["id"] > position if wanted.oldest else row["id"] < position)
    return (
        behind
        and (wanted.statuses is None or row["status"] in wanted.statuses)
        and wanted.source in (None, row["source"])
        and wanted.external_ref in (None, row["external_ref"])
        and wanted.customer_id in (None, row["customer_id"])
        and wanted.customer in (None, row["customer_email"], row["customer_ref"])
        and wanted.fulfillment_status in (None, row["fulfillment_status"])
        and wanted.on_hold in (None, row["on_hold"])
        and (wanted.total__gte is None or row["total"] >= wanted.total__gte)
        and (wanted.total__lte is None or row["total"] <= wanted.total__lte)
        and wanted.sku is None  # no order of this test has lines
        and (wanted.created_at__gte is None or row["created_at"] >= wanted.created_at__gte)
        and (wanted.created_at__lt is None or row["created_at"] < wanted.created_at__lt)
    )


@pytest.mark.parametrize("mode", ["generic", "custom"])
@pytest.mark.parametrize("customer", [None, own_rows.BUYS_MUCH, own_rows.BUYS_LITTLE])
async def test_a_page_of_the_shop_is_read_by_an_index_wherever_it_begins(
    many_orders: Connection, mode: str, customer: UUID | None
) -> None:
    async def ask(connection: Connection) -> None:
        for offset in (0, 5):
            page = await storage.shop_orders.list_page(
                connection, customer=customer, offset=offset, at_most=10
            )
            assert len(page.orders) == 10

    found = await plans(many_orders, mode, ask)

    pages = [plan for plan in found if plan.nodes[0]["Actual Rows"] == 10]  # others count
    assert [plan.faults(BOUND) for plan in pages] == [[], []]

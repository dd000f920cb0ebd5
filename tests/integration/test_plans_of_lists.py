"""A list of orders is answered from an index, whatever is asked for and whenever planned."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orderbus import storage
from orderbus.storage.database import Connection, Database
from orderbus.storage.order_lists import Filter
from tests.support import many_rows, order_rows
from tests.support.plans import BOUND, plans, quiet_connection

ORDERS = 20_000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def many_orders(database: Database) -> AsyncIterator[Connection]:
    async with quiet_connection(database) as connection:
        await many_rows.orders(connection, BEGAN, ORDERS)
        yield connection


def _filters() -> Iterator[Filter]:
    """Combine every filter with every other: what fits much, little and nothing."""
    choices: dict[str, tuple[Any, ...]] = {
        "status": (None, "completed", "failed", "in_progress"),
        "source": (None, "webhook", "api", "cart"),
        "external_ref": (None, "SO-7"),
        "customer": (None, "c7@shop.example"),
        "created_at__gte": (None, BEGAN + timedelta(minutes=10_000)),
        "created_at__lt": (None, BEGAN + timedelta(minutes=10_050)),
    }
    for values in itertools.product(*choices.values()):
        yield Filter(**dict(zip(choices, values, strict=True)))


@pytest.mark.parametrize("mode", ["generic", "custom"])
async def test_every_combination_of_filters_is_answered_from_an_index_in_the_order_of_the_list(
    many_orders: Connection, mode: str
) -> None:
    faults = {}
    for wanted, before in itertools.product(_filters(), [None, ORDERS // 2]):

        async def ask(
            connection: Connection, wanted: Filter = wanted, before: int | None = before
        ) -> None:
            await storage.order_lists.list_newest(connection, wanted, before=before, at_most=11)

        (plan,) = await plans(many_orders, mode, ask)
        # What one customer ordered is looked through, if it is to fit something else, too.
        if found := plan.faults(BOUND):
            faults[str((wanted, before))] = found

    assert faults == {}


async def test_every_filter_lists_what_fits_newest_first(many_orders: Connection) -> None:
    rows = await order_rows.newest_first(many_orders)
    for wanted, before in itertools.product(_filters(), [None, ORDERS // 2]):
        fitting = [row["public_id"] for row in rows if _fits(row, wanted, before)]

        listed = await storage.order_lists.list_newest(
            many_orders, wanted, before=before, at_most=11
        )

        assert [order.order_id for order in listed] == fitting[:11], (wanted, before)


def _fits(row: Any, wanted: Filter, before: int | None) -> bool:
    return (
        (before is None or row["id"] < before)
        and wanted.status in (None, row["status"])
        and wanted.source in (None, row["source"])
        and wanted.external_ref in (None, row["external_ref"])
        and wanted.customer in (None, row["customer_email"], row["customer_ref"])
        and (wanted.created_at__gte is None or row["created_at"] >= wanted.created_at__gte)
        and (wanted.created_at__lt is None or row["created_at"] < wanted.created_at__lt)
    )

"""What an order may cost: statements and bytes of write-ahead log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from orderbus import services, storage
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.integration.test_inbox import messages
from tests.support import cart_rows, many_rows, outbox_rows, scenario, statements, table_rows
from tests.support.topic import Topic


@pytest.fixture
def sent(database: Database) -> Iterator[list[str]]:
    with statements.recorded() as sent:
        yield sent


async def test_an_order_accepted_the_first_time_sends_exactly_one_statement(
    database: Database, sent: list[str]
) -> None:
    await scenario.place(database)
    sent.clear()

    await scenario.place(database)

    assert len(sent) == 1


async def test_an_order_that_is_there_already_sends_a_second_statement(
    database: Database, sent: list[str]
) -> None:
    await scenario.place(database, "SO-10045")
    sent.clear()

    await scenario.place(database, "SO-10045")

    assert len(sent) == 2


async def test_a_checkout_sends_exactly_one_statement(database: Database, sent: list[str]) -> None:
    carts = [await cart_rows.add(database) for _ in range(2)]
    await database.ask(storage.carts.check_out, carts[0], traceparent=None)
    sent.clear()

    await database.ask(storage.carts.check_out, carts[1], traceparent=None)

    assert len(sent) == 1


WANTED = {"count_event": "*.created", "audit": "*", "idle": "cart.*"}


async def test_relay_and_bridge_send_less_than_a_tenth_of_a_statement_per_event(
    database: Database, settings: Settings, sent: list[str]
) -> None:
    await scenario.add_endpoint(database)
    await scenario.place(database)
    first = await messages(database)
    await services.inbox.receive(database, first, wanted=WANTED)  # the driver learns types
    for _ in range(settings.relay_batch):
        await scenario.place(database)
    received = await messages(database)
    await outbox_rows.make_due(database)
    sent.clear()

    relay = services.outbox.Relay(database, Topic(), settings)  # type: ignore[arg-type]
    published = await relay.publish_due()
    due = await services.inbox.receive(database, received, wanted=WANTED)

    batch = settings.relay_batch
    assert (published, len(due.deliveries), due.consumptions["audit"]) == (batch,) * 3
    assert len(sent) < batch / 10, sent


async def test_a_webhooks_order_makes_no_entry_for_a_key_or_a_cart_that_it_has_not(
    database: Database,
) -> None:
    async with database.connection() as connection:
        await many_rows.orders(connection, datetime(2026, 1, 1, tzinfo=UTC), 2000)

    pages = await table_rows.pages_of_indexes(database, "orders.orders")
    entered = {name for name, count in pages.items() if count > 2}  # its head, and one empty leaf

    assert entered == {
        "orders_pkey",
        "orders_public_id_key",
        "one_order_per_reference",
        "orders_listed",
        "orders_to_ship",  # most of these are completed: none is when it comes in
        "orders_of_customer_listed",
        "orders_of_customer_ref_listed",  # every third of them has one
    }

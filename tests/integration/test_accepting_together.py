"""Orders that come at the same time are stored together, and each is answered for itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import asyncpg
import pytest

from orderbus import services
from orderbus.domain.orders import PlaceOrder
from orderbus.errors import Busy, KeyReused, OtherContent, Unavailable
from orderbus.services.orders import Accepting, Placed
from orderbus.settings import Settings
from orderbus.storage import database as sessions
from orderbus.storage.database import Database, open_database
from tests.support import order_rows, samples, scenario, statements
from tests.support.api_client import Client, body, post
from tests.support.waiting import PATIENCE, until_true

MANY = 20
T = TypeVar("T")


@pytest.fixture
def sent() -> Iterator[list[str]]:
    with statements.recorded() as sent:
        yield sent


@pytest.fixture
async def patient(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    """Sessions that wait for a lock as long as it takes."""
    for setting in ("lock_timeout", "idle_in_transaction_session_timeout"):
        monkeypatch.setitem(sessions.SESSION, setting, "0")
    monkeypatch.setattr(sessions, "COMMAND_TIMEOUT", PATIENCE)
    async with open_database(settings) as patient:
        yield patient


async def while_held(
    database: Database, reference: str, work: Callable[[], Awaitable[list[T]]]
) -> list[T]:
    """Work while somebody has a reference whose order is never committed."""
    done: list[T] = []

    async def hold() -> None:
        async with database.transaction() as connection:
            await services.orders.accept(connection, samples.order(reference), traceparent=None)
            done.extend(await work())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await hold()
    return done


async def ready(database: Database, sent: list[str]) -> None:
    """Let the driver learn the types of the statement."""
    await scenario.place(database, "READY")
    sent.clear()


async def accept(database: Database, *orders: PlaceOrder) -> list[Placed | BaseException]:
    accepting = Accepting(database)
    calls = [accepting.accept(order, traceparent=None) for order in orders]
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_many_orders_that_come_at_once_are_stored_whole_by_one_statement(
    database: Database, sent: list[str]
) -> None:
    orders = [samples.order(f"SO-{number:02}") for number in range(MANY)]
    await ready(database, sent)

    placed = await accept(database, *reversed(orders))

    assert len(sent) == 1
    assert [one.external_ref for one in placed if isinstance(one, Placed) and one.created] == [
        order.external_ref for order in reversed(orders)
    ]
    assert await order_rows.whole(database) == ["READY", *(order.external_ref for order in orders)]


async def test_orders_that_come_while_another_is_being_stored_share_the_next_statement(
    database: Database, patient: Database, sent: list[str]
) -> None:
    await ready(patient, sent)
    accepting = Accepting(patient)

    async def come() -> list[asyncio.Task[Placed]]:
        first = asyncio.create_task(accepting.accept(samples.order("SO-0"), traceparent=None))
        await until_true(lambda: scenario.count_who_wait(database), "nobody waits")
        others = [samples.order(f"SO-{number}") for number in range(1, MANY)]
        calls = [asyncio.create_task(accepting.accept(order, traceparent=None)) for order in others]
        await asyncio.sleep(0)  # all are handed in
        sent.clear()
        return [first, *calls]

    tasks = await while_held(patient, "SO-0", come)
    placed = await asyncio.gather(*tasks)

    assert [one.created for one in placed] == [True] * MANY
    assert len([query for query in sent if "INSERT" in query]) == 2


async def test_the_same_order_twice_at_once_is_stored_once_and_both_are_told_its_name(
    database: Database,
) -> None:
    one, same, other = await accept(
        database, samples.order("SO-1"), samples.order("SO-1"), samples.order("SO-2")
    )

    assert isinstance(one, Placed)
    assert isinstance(same, Placed)
    assert isinstance(other, Placed)
    assert sorted([one.created, same.created]) == [False, True]
    assert one.order_id == same.order_id != other.order_id
    assert await order_rows.whole(database) == ["SO-1", "SO-2"]


async def test_of_orders_that_contradict_each_other_one_is_stored_and_the_others_refused(
    database: Database,
) -> None:
    first = samples.order("SO-1", idempotency_key="k")
    found = await accept(
        database, first, samples.order("SO-1", total=1), samples.order("SO-2", idempotency_key="k")
    )

    assert [type(one) for one in found] == [Placed, OtherContent, KeyReused]
    assert await order_rows.whole(database) == ["SO-1"]


async def test_an_order_that_cannot_be_stored_costs_itself_alone(database: Database) -> None:
    too_long = replace(samples.order(), external_ref="x" * 300)
    orders = [samples.order("SO-1"), too_long, samples.order("SO-2")]

    found = await accept(database, *orders)

    assert [type(one) for one in found] == [Placed, asyncpg.CheckViolationError, Placed]
    assert await order_rows.whole(database) == ["SO-1", "SO-2"]


async def test_an_order_that_waits_for_somebodys_lock_costs_itself_alone(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sessions.SESSION, "lock_timeout", "100ms")
    async with open_database(settings) as impatient, database.transaction() as connection:
        await services.orders.accept(connection, samples.order("SO-2"), traceparent=None)

        orders = [samples.order(f"SO-{number}") for number in (1, 2, 3)]
        found = await accept(impatient, *orders)

    assert [type(one) for one in found] == [Placed, Busy, Placed]


async def test_a_session_that_dies_in_the_middle_stores_none_of_its_orders_and_all_may_come_again(
    database: Database, patient: Database
) -> None:
    orders = [samples.order(f"SO-{number}") for number in (1, 2, 3)]

    async def die() -> list[Placed | BaseException]:
        accepting = asyncio.create_task(accept(patient, *orders))
        await until_true(lambda: scenario.end_who_wait(database), "nobody waits")
        return await accepting

    found = await while_held(patient, "SO-2", die)

    assert [type(one) for one in found] == [Unavailable] * 3
    assert await order_rows.whole(database) == []
    assert [type(one) for one in await accept(database, *orders)] == [Placed] * 3


async def test_each_order_keeps_the_request_and_the_trace_it_came_by(
    client: Client, database: Database
) -> None:
    traces = {f"SO-{number}": f"{number + 1:032x}" for number in range(MANY)}

    async def send(reference: str, trace: str) -> None:
        parent = f"00-{trace}-00000000000000aa-01"
        answer = await post(
            client, body(reference), Correlation_ID=f"request-{reference}", traceparent=parent
        )
        assert (answer.status, await answer.json()) == (201, {"ok": True, "order_id": reference})

    await asyncio.gather(*(send(*one) for one in traces.items()))

    kept = await order_rows.requests(database)
    assert kept == {
        reference: (f"request-{reference}", f"00-{trace}-00000000000000aa-01")
        for reference, trace in traces.items()
    }

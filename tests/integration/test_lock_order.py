"""Whoever waits for a row while it holds others keeps to one order, so nobody waits in a circle."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import FunctionType
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from orderbus import services, storage
from orderbus.domain.deliveries import Settlement
from orderbus.domain.orders import OrderId
from orderbus.errors import NotFound
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.storage.deliveries import Claimed
from orderbus.storage.inbox import Returned
from tests.support import samples, scenario

SOON = timedelta(seconds=5)
#: The order of ``orderbus.storage``, with each table's key.
ORDER = {
    "ops.webhook_endpoints": "id",
    "orders.orders": "id",
    "ops.watermarks": "order_id",
    "ops.outbox": "event_id",
    "ops.webhook_deliveries": "id",
}
RANK = {table: rank for rank, table in enumerate(ORDER)}


@dataclass(frozen=True)
class World:
    """One row at least of everything: a delivery that is claimed, one that is dead, and so on."""

    endpoint: UUID
    order: OrderId
    claimed: Claimed
    waiting: int
    dead: int
    events: Sequence[Returned]
    token: UUID
    cart: UUID


Call = Callable[[Connection, World], Awaitable[object]]


async def record(connection: Connection, world: World) -> None:
    await services.inbox.record(connection, world.events, wanted={})


async def settle(connection: Connection, world: World) -> None:
    delivered = Settlement("delivered", "delivered")
    await storage.deliveries.settle(connection, world.claimed, delivered, None)


async def gone(connection: Connection, world: World) -> None:
    await storage.endpoints.disable(
        connection,
        world.endpoint,
        reason="410",
        delivery_id=world.claimed.delivery_id,
        lease=world.claimed.lease,
    )
    settlement = Settlement("pending", "failed", disabled_reason="410")
    await storage.deliveries.settle(connection, world.claimed, settlement, None)


async def append(connection: Connection, world: World) -> None:
    order = await storage.orders.lock(connection, world.order)
    await storage.events.append(
        connection,
        order.order_pk,
        types=["order.noted"],
        actor="test",
        content={},
        details={},
        traceparent=None,
        move=storage.events.Move(order.status, None),
    )


async def settle_pointers(connection: Connection, world: World) -> None:
    ids = [event.event_id for event in world.events]
    await storage.outbox.settle(
        connection,
        world.token,
        published=dict.fromkeys(ids[::-2], "m"),
        given_back=ids[-2::-2],
        again_after=SOON,
    )


HINT: dict[str, Any] = {"at_most": 9, "again_after": timedelta(0)}
OLD = storage.retention.Bounds(keep=timedelta(0), at_most=9)
#: How each function of ``storage`` that locks rows of these tables is called, in its transaction.
CALLS: dict[str, Call] = {
    "carts.check_out": lambda c, w: storage.carts.check_out(
        c, w.cart, type="x.y", actor="x", traceparent=None
    ),
    "deliveries.claim": lambda c, w: storage.deliveries.claim(
        c, w.waiting, lease=uuid4(), length=SOON, in_flight=9
    ),
    "deliveries.hint": lambda c, _: storage.deliveries.hint(c, per_endpoint=9, **HINT),
    "deliveries.redrive": lambda c, w: storage.deliveries.redrive(c, w.dead),
    "deliveries.release_place": lambda c, w: storage.deliveries.release_place(c, w.waiting),
    "deliveries.settle": settle,
    "endpoints.add": lambda c, _: storage.endpoints.add(
        c, url="https://a/", secrets=["x"], format="event", ordering="none", events=["*"]
    ),
    "endpoints.disable": gone,
    "endpoints.enable": lambda c, w: storage.endpoints.enable(c, w.endpoint),
    "endpoints.keep_built_in": lambda c, _: storage.endpoints.keep_built_in(
        c, url="https://b/", secret="x", given=True, events=["*"]
    ),
    "endpoints.make_due": lambda c, w: storage.endpoints.make_due(c, w.endpoint, at_most=9),
    "endpoints.remove": lambda c, w: storage.endpoints.remove(c, w.endpoint),
    "endpoints.skip_owed": lambda c, _: storage.endpoints.skip_owed(c, at_most=9),
    "inbox.add": record,
    "inbox.advance_watermarks": record,
    "retention.forget_watermarks": lambda c, _: storage.retention.forget_watermarks(c, at_most=9),
    "inbox.lock_watermarks": record,
    "inbox.recognise": record,
    "lost_events.take_back": lambda c, _: storage.lost_events.take_back(
        c, published_before=datetime.now(UTC), pauses=[timedelta(0)], at_most=9
    ),
    "orders.add": lambda c, _: storage.orders.add(
        c, samples.order(), type="order.created", content={}, details={}, traceparent=None
    ),
    "events.append": append,
    "orders.lock": append,
    "outbox.hint": lambda c, _: storage.outbox.hint(c, **HINT),
    "outbox.lease": lambda c, _: storage.outbox.lease(c, uuid4(), at_most=9, length=SOON),
    "outbox.park": lambda c, w: storage.outbox.park(
        c, w.token, w.events[-1].event_id, reason="x", error="x"
    ),
    "outbox.settle": settle_pointers,
    "outbox.forget": lambda c, w: storage.outbox.forget(c, w.events[0].event_id),
    "retention.delete_dead_letters": lambda c, _: storage.retention.delete_dead_letters(c, OLD),
    "retention.delete_deliveries": lambda c, _: storage.retention.delete_deliveries(c, OLD),
    "outbox.unpark": lambda c, w: storage.outbox.unpark(c, w.events[0].event_id),
}


def locking_functions() -> set[str]:
    """Find what writes or locks rows of these tables, by the text of its statements."""
    tables = "|".join(re.escape(table) for table in ORDER)
    writes = re.compile(
        rf"(?:UPDATE|DELETE\s+FROM|INSERT\s+INTO)\s+(?:{tables})\b|ops\.forget_|_OUTBOX"
    )
    locks = re.compile(rf"(?s)(?:FROM|JOIN)\s+(?:{tables})\b.*\bFOR\s+(?:NO\s+KEY\s+)?UPDATE")
    return {
        f"{module}.{name}"
        for module, room in inspect.getmembers(storage, inspect.ismodule)
        for name, function in inspect.getmembers(room, inspect.isfunction)
        if function.__module__ == f"orderbus.storage.{module}"
        and any(writes.search(text) or locks.search(text) for text in texts(function))
    }


def texts(function: FunctionType) -> Iterator[str]:
    """Find a function's own text, and the statements beside it that it names."""
    yield inspect.getsource(function)
    for name in function.__code__.co_names:
        if isinstance(beside := function.__globals__.get(name), str):
            yield beside


def test_every_statement_that_locks_is_tried() -> None:
    assert locking_functions() == set(CALLS), "say in CALLS how the function is called"


@pytest.fixture
async def world(database: Database) -> World:
    endpoint = await scenario.add_endpoint(database)
    await scenario.add_endpoint(database, "https://other.example/", ordering="none")
    orders = [await scenario.place(database) for _ in range(4)]
    due = await scenario.come_back(database, *await scenario.events(database))
    mine = "SELECT array_agg(id ORDER BY id) FROM ops.webhook_deliveries WHERE endpoint_id = $1"
    dead, waiting, _, last = await scenario.value(database, mine, endpoint)
    claimed = await scenario.claim(database, last, lease=timedelta(hours=1))
    assert claimed is not None
    assert len(due) == 8
    for order in orders * 2:
        await scenario.append(database, order)
    events = sorted((await scenario.events(database))[4:], key=lambda event: event.event_id)
    token = uuid4()
    async with database.connection() as connection:
        cart = await storage.carts.add(connection, total_amount=Decimal(1), items=[])
        await connection.execute(
            "UPDATE ops.outbox SET lease = $1 WHERE event_id = ANY ($2)",
            token,
            [event.event_id for event in events[3:]],
        )
        await connection.execute(
            "UPDATE ops.outbox SET parked_at = now(), due_at = 'infinity' WHERE event_id = $1",
            events[0].event_id,
        )
        await connection.execute(
            "UPDATE ops.outbox SET published_at = now() - interval '1 day', message_id = 'm',"
            " due_at = 'infinity' WHERE event_id = ANY ($1)",
            [event.event_id for event in events[1:3]],
        )
        await connection.execute(
            "UPDATE ops.webhook_deliveries SET hinted_at = now() - interval '1 hour'"
            " WHERE endpoint_id = $1 AND lease IS NULL",
            endpoint,
        )
        await connection.execute(
            "UPDATE ops.webhook_deliveries SET state = 'dead', settled_at = now() WHERE id = $1",
            dead,
        )
    return World(endpoint, orders[0].order_id, claimed, waiting, dead, events, token, cart)


Row = tuple[str, Any]


async def rows(connection: Connection, *, free: bool = False) -> set[Row]:
    """List every row of these tables; of those that are ``free``, only what nobody holds."""
    only = "FOR NO KEY UPDATE SKIP LOCKED" if free else ""
    return {
        (table, row[0])
        for table, key in ORDER.items()
        for row in await connection.fetch(f"SELECT {key} FROM {table} {only}")
    }


@asynccontextmanager
async def locked(connection: Connection, row: Row) -> AsyncIterator[None]:
    table, key = row
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(
            f"SELECT FROM {table} WHERE {ORDER[table]} = $1 FOR NO KEY UPDATE", key
        )
        yield
    finally:
        await transaction.rollback()


async def held_while_waiting(
    call: Call, world: World, row: Row, *, caller: Any, blocker: Any, watcher: Any
) -> set[Row]:
    """Tell what a call holds while it waits for a row; nothing where it does not wait for it."""
    everything = await rows(watcher)
    transaction = caller.transaction()
    await transaction.start()
    try:
        async with locked(blocker, row):
            calling = asyncio.ensure_future(call(caller, world))
            waits = "SELECT cardinality(pg_blocking_pids($1)) > 0"
            while not calling.done() and not await watcher.fetchval(waits, caller.get_server_pid()):
                await asyncio.sleep(0)
            held = set() if calling.done() else everything - await rows(watcher, free=True) - {row}
        await calling
        return held
    finally:
        await transaction.rollback()


@asynccontextmanager
async def connections(settings: Settings, count: int) -> AsyncIterator[list[Any]]:
    """Connections of a pool large enough, with its codecs."""
    async with storage.database.open_database(
        settings.model_copy(update={"db_pool_size": count})
    ) as database:
        made = [await database._pool.acquire() for _ in range(count)]
        try:
            yield made
        finally:
            for connection in made:
                await database._pool.release(connection)


async def test_nobody_who_holds_a_row_waits_for_one_that_comes_before_it(
    settings: Settings, world: World
) -> None:
    wrong = set()
    async with connections(settings, 3) as (caller, blocker, watcher):
        await caller.execute("SET lock_timeout = '20s'")
        everything = await rows(watcher)
        for call in {id(call): call for call in CALLS.values()}.values():
            for row in everything:
                held = await held_while_waiting(
                    call, world, row, caller=caller, blocker=blocker, watcher=watcher
                )
                names = [name for name, known in CALLS.items() if known is call]
                wrong |= {
                    f"{names[0]} holds {other} and waits for {row[0]}"
                    for other, key in held
                    if not allowed((other, key), row)
                }

    assert wrong == set()


def allowed(held: Row, awaited: Row) -> bool:
    """Of one table, several rows are waited for only by their key, and deliveries not at all."""
    if held[0] != awaited[0]:
        return RANK[held[0]] < RANK[awaited[0]]
    return bool(held[0] != "ops.webhook_deliveries" and held[1] < awaited[1])


async def test_any_two_that_meet_go_through(settings: Settings, world: World) -> None:
    distinct = list({id(call): call for call in CALLS.values()}.values())

    async def in_vain(connection: Any, call: Call) -> BaseException | None:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await call(connection, world)
        except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError) as error:
            return error
        finally:
            await transaction.rollback()
        return None

    met: list[BaseException | None] = []
    async with connections(settings, 2) as (one, other):
        for number, first in enumerate(distinct):
            for second in distinct[number:]:
                met += await asyncio.gather(in_vain(one, first), in_vain(other, second))

    assert [error for error in met if error is not None] == []


#: What decides whether a delivery is sent, each in a transaction of its own as in real life.
DECIDING = (
    *("deliveries.claim", "deliveries.hint", "deliveries.redrive", "endpoints.disable"),
    *("endpoints.enable", "endpoints.remove", "endpoints.skip_owed", "inbox.add"),
)
LEFT_BEHIND = """
    SELECT count(*)
      FROM ops.webhook_deliveries AS delivery
      JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
     WHERE delivery.lease IS NULL
       AND (state NOT IN ('pending', 'dead', 'skipped')
            OR state = 'pending' AND removed_at IS NOT NULL)
"""
UNTOLD = """
    SELECT count(*)
      FROM ops.webhook_deliveries AS delivery
      JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
     WHERE state = 'pending' AND hinted_at IS NULL AND lease IS NULL AND due_at <= now()
       AND disabled_at IS NULL AND removed_at IS NULL AND ops.may_go(delivery)
"""


async def again(database: Database, world: World) -> World:
    """Bring one more event back to an endpoint that was never disabled or removed."""
    async with database.connection() as connection:
        await connection.execute("UPDATE ops.webhook_endpoints SET removed_at = now()")
        await storage.endpoints.skip_owed(connection, at_most=1000)
    endpoint = await scenario.add_endpoint(database)
    for _ in range(3):
        await scenario.place(database)
    events = (await scenario.events(database))[-3:]
    waiting, dead, last = sorted(await scenario.come_back(database, *events))
    claimed = await scenario.claim(database, last)
    assert claimed is not None
    await scenario.value(
        database,
        "UPDATE ops.webhook_deliveries SET state = 'dead', settled_at = now() WHERE id = $1",
        dead,
    )
    await scenario.place(database)
    events = (await scenario.events(database))[-1:]
    return replace(
        world, endpoint=endpoint, events=events, waiting=waiting, dead=dead, claimed=claimed
    )


async def test_whichever_two_meet_no_delivery_is_left_behind(
    database: Database, world: World
) -> None:
    await scenario.value(database, "TRUNCATE ops.events")
    left = []
    for first, second in itertools.combinations_with_replacement(DECIDING, 2):
        here = await again(database, world)

        async def alone(name: str, world: World = here) -> None:
            async with database.connection() as connection:
                with suppress(NotFound):  # the other one removed it
                    await CALLS[name](connection, world)

        await asyncio.gather(alone(first), alone(second))
        async with database.connection() as connection:
            await storage.endpoints.skip_owed(connection, at_most=1000)
            await storage.deliveries.hint(
                connection, per_endpoint=99, at_most=99, again_after=timedelta(hours=1)
            )
            left += [(first, second, await connection.fetchval(q)) for q in (LEFT_BEHIND, UNTOLD)]

    assert [pair for pair in left if pair[2]] == []

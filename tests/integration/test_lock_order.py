"""Whoever waits for a row while it holds others keeps to one order, so nobody waits in a circle."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import FunctionType
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from orderbus import services, storage
from orderbus.domain.products import NewProduct
from orderbus.domain.retries import Settlement
from orderbus.errors import Busy
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.storage.deliveries import Outcome
from tests.support import locked_world, samples
from tests.support.locked_world import World
from tests.support.locks import ORDER, Call, allowed, connections, held_while_waiting, rows

SOON = timedelta(seconds=5)


async def record(connection: Connection, world: World) -> None:
    await services.inbox.record(connection, world.events, wanted={})


async def settle(connection: Connection, world: World) -> None:
    delivered = Settlement("delivered", "delivered")
    await storage.deliveries.settle(connection, [Outcome(world.claimed, delivered)])


async def gone(connection: Connection, world: World) -> None:
    with suppress(asyncpg.LockNotAvailableError):  # it waits for nobody, and comes again
        async with connection.transaction():
            await storage.endpoints.disable(
                connection,
                world.endpoint,
                reason="410",
                delivery_id=world.claimed.delivery_id,
                lease=world.claimed.lease,
            )
    settlement = Settlement("pending", "failed", disabled_reason="410")
    await storage.deliveries.settle(connection, [Outcome(world.claimed, settlement)])


async def release(connection: Connection, world: World) -> None:
    kept = await storage.endpoint_changes.lock(connection, world.endpoint)
    await storage.endpoint_changes.write(connection, replace(kept, url="https://moved.example/"))
    await storage.owed.release(connection, at_most=9)


async def append(connection: Connection, world: World) -> None:
    order = await storage.orders.lock(connection, world.order)
    noted = storage.events.Happened(order.order_pk, "order.noted", "test", {}, status=order.status)
    await storage.events.append(connection, [noted])


async def lock_all(connection: Connection, world: World) -> None:
    with suppress(Busy):  # it waits for nobody
        await storage.orders.lock_all(connection, [world.order])


async def hold(connection: Connection, world: World) -> None:
    with suppress(Busy):  # as above
        await storage.delivery_acts.hold(connection, world.waiting)


async def skip(connection: Connection, world: World) -> None:
    async with connection.transaction():  # what is next is due with it, or not at all
        ids = [world.dead, world.waiting]
        await storage.delivery_acts.skip(connection, ids, by="x", reason="x")


async def settle_pointers(connection: Connection, world: World) -> None:
    ids = [event.event_id for event in world.events]
    await storage.outbox.settle(
        connection,
        world.token,
        published=dict.fromkeys(ids[::-2], "m"),
        given_back=ids[-2::-2],
        again_after=SOON,
    )


async def enable(connection: Connection, world: World) -> None:
    await services.endpoints.enable(connection, world.endpoint, actor="test")


async def change(connection: Connection, world: World) -> None:
    changes = services.endpoints.Changes(trace=True)
    await services.endpoints.change(connection, world.endpoint, changes, actor="test")


async def give_back(connection: Connection, world: World) -> None:
    order = await storage.orders.lock(connection, world.order)
    await storage.stock.give_back(connection, [storage.stock.Concerned(order.order_pk, "test")])


async def retry(connection: Connection, world: World) -> None:
    order = await storage.orders.lock(connection, world.order)
    await storage.processing.lock_failed(connection, "process_order", [1])
    await storage.allocating_later.lock_given_back(connection, [order.order_pk])
    asked = [storage.stock.Concerned(order.order_pk, "test")]
    await storage.allocating_later.take_again(connection, asked)
    await storage.allocating_later.take_named(connection, asked)


async def allocate(connection: Connection, world: World) -> None:
    skus = list(world.products)[::-1]
    line = {"name": "Tea", "quantity": 1, "unit_price": 1}
    order = samples.order(items=[{**line, "sku": sku} for sku in skus])
    new = services.orders.to_store(order, traceparent=None)
    await services.allocating.add(connection, [new])


async def add_unsold(connection: Connection, _: World) -> None:
    new = services.orders.to_store(samples.order(), traceparent=None)
    await storage.allocating.add_unsold(connection, new)


async def move_stock(connection: Connection, world: World) -> None:
    ids = list(world.products.values())[::-1]
    received = [storage.stock.Movement(id_, "received", 1) for id_ in ids]
    await storage.stock.move(connection, received, actor="test")


async def book(connection: Connection, world: World) -> None:
    lines = [storage.stock_bookings.Line(sku=sku, delta=1) for sku in list(world.products)[::-1]]
    await storage.stock_bookings.book(connection, lines, each_alone=False, actor="test")


OLD = storage.retention.Bounds(keep=timedelta(0), at_most=9)
#: How each function of ``storage`` that locks rows of these tables is called, in its transaction.
CALLS: dict[str, Call] = {
    "carts.check_out": lambda c, w: storage.carts.check_out(c, w.cart, actor="x", traceparent=None),
    "deliveries.claim": lambda c, _: storage.deliveries.claim(
        c, lease=uuid4(), length=SOON, in_flight={}, otherwise=9, at_most=9
    ),
    "deliveries.settle": settle,
    "delivery_acts.hold": hold,
    "delivery_acts.redrive": lambda c, w: storage.delivery_acts.redrive(c, [w.dead, w.waiting]),
    "delivery_acts.resend": lambda c, w: storage.delivery_acts.resend(
        c, [w.dead, w.waiting], by="x", reason=None
    ),
    "delivery_acts.retry": lambda c, w: storage.delivery_acts.retry(c, [w.dead, w.waiting]),
    "delivery_acts.skip": skip,
    "endpoint_changes.drop_old_secrets": lambda c, _: storage.endpoint_changes.drop_old_secrets(c),
    "endpoint_changes.lock": enable,
    "endpoint_changes.lock_built_in": lambda c, _: storage.endpoint_changes.lock_built_in(c),
    "endpoint_changes.write": change,
    "endpoints.add": lambda c, _: storage.endpoints.add(
        c, url="https://a/", secrets=["x"], format="event", ordering="none", events=["*"]
    ),
    "endpoints.disable": gone,
    "endpoints.remove": lambda c, w: storage.endpoints.remove(c, w.endpoint),
    "owed.release": release,
    "owed.skip": lambda c, _: storage.owed.skip(c, at_most=9),
    "sequencing.begin": record,
    "sequencing.go_on": settle,
    "sequencing.wait": lambda c, w: storage.sequencing.wait(c, [w.waiting]),
    "inbox.add": record,
    "retention.forget_watermarks": lambda c, _: storage.retention.forget_watermarks(c, OLD),
    "inbox.hold": record,
    "lost_events.take_back": lambda c, _: storage.lost_events.take_back(
        c, published_before=datetime.now(UTC), pauses=[timedelta(0)], at_most=9
    ),
    "orders.add": lambda c, _: services.orders.accept(c, samples.order(), traceparent=None),
    "events.append": append,
    "orders.lock": append,
    "orders.lock_all": lock_all,
    "outbox.lease": lambda c, _: storage.outbox.lease(c, uuid4(), at_most=9, length=SOON),
    "outbox.park": lambda c, w: storage.outbox.park(
        c, w.token, w.events[-1].event_id, reason="x", error="x"
    ),
    "outbox.settle": settle_pointers,
    "outbox.forget": lambda c, w: storage.outbox.forget(c, w.events[0].event_id),
    "restores.lift": lambda c, _: storage.restores.lift(c, seen={}, margin=9, after=0, at_most=9),
    "products.add": lambda c, _: storage.products.add(
        c, NewProduct(sku="new", name="Tea", price=Decimal(5))
    ),
    "reservations.become_order": lambda c, w: storage.reservations.become_order(
        c, w.cart, order_id=w.order, actor="x"
    ),
    "reservations.lapse": lambda c, _: storage.reservations.lapse(c, at_most=9),
    "stock.move": move_stock,
    "stock.give_back": give_back,
    "allocating.add": allocate,
    "allocating.add_unsold": add_unsold,
    "allocating_later.lock_given_back": retry,
    "allocating_later.take_again": retry,
    "allocating_later.take_named": retry,
    "processing.lock_failed": retry,
    "stock.set_aside_of": lambda c, w: storage.stock.set_aside_of(
        c, next(iter(w.products.values()))
    ),
    "stock_bookings.book": book,
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
    return await locked_world.make(database)


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

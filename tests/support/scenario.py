"""Steps of an order's way, each on the real database, for tests that begin in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from orderbus import actors, services, storage
from orderbus.domain import webhooks
from orderbus.domain.orders import OrderId
from orderbus.domain.retries import CRASHES_UNSUSPECTED, Settlement
from orderbus.egress.session import Session
from orderbus.resources import Resources
from orderbus.services.consumptions import Consuming, Work
from orderbus.services.deliveries import Sender
from orderbus.services.inbox import Due
from orderbus.services.orders import Placed
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.storage.deliveries import Claimed, Outcome
from orderbus.storage.inbox import Returned
from orderbus.storage.outbox import Leased
from tests.support import samples
from tests.support.waiting import PATIENCE

#: No test outlasts it: a lease ends here when a test says so.
LEASE = timedelta(hours=1)
NO_TIME = timedelta(0)


async def place(database: Database, reference: str | None = None, **changes: Any) -> Placed:
    order = samples.order(reference, **changes)
    async with database.connection() as connection:
        return await services.orders.accept(connection, order, traceparent=None)


async def append(database: Database, order: Placed) -> int:
    return await append_event(database, order.order_id)


async def append_event(database: Database, order_id: OrderId) -> int:
    """Tell that something happened to an order which changes nothing; returns its sequence."""
    async with database.transaction() as connection:
        order = await storage.orders.lock(connection, order_id)
        content = "SELECT content FROM ops.events WHERE order_id = $1 AND sequence = 1"
        noted = storage.events.Happened(
            order.order_pk,
            "order.noted",
            "test",
            content=await connection.fetchval(content, order.order_pk),
        )
        (sequence,) = await storage.events.append(connection, [noted])
        return sequence


async def add_endpoint(
    database: Database, url: str = "https://shop.example/", **changes: Any
) -> UUID:
    fields: dict[str, Any] = {"format": "event", "ordering": "order", "events": ["*"]}
    fields |= {"secrets": [webhooks.new_secret()], **changes}
    async with database.connection() as connection:
        return await storage.endpoints.add(connection, url=url, **fields)


async def lease(database: Database, at_most: int = 1000, length: timedelta = LEASE) -> list[Leased]:
    async with database.connection() as connection:
        return await storage.outbox.lease(connection, uuid4(), at_most=at_most, length=length)


async def events(database: Database) -> list[Returned]:
    """Every event there is, by sequence, as it would come back from Pub/Sub."""
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT event_id, occurred_at FROM ops.events ORDER BY sequence, occurred_at"
        )
    return [
        Returned(row["event_id"], row["occurred_at"], f"m-{uuid4()}", row["occurred_at"])
        for row in rows
    ]


async def come_back(database: Database, *returned: Returned) -> list[int]:
    """Record events as the bridge does; returns the deliveries that may go."""
    _, due = await record(database, returned, wanted={})
    return list(due.deliveries)


async def record(
    database: Database, returned: Sequence[Returned], *, wanted: Mapping[str, str]
) -> tuple[int, Due]:
    """Record events as the bridge does; returns how many were new, and what may go."""
    new, due, left = 0, Due(), list(returned)
    async with asyncio.timeout(PATIENCE):
        while left:
            async with database.transaction() as connection:
                recorded = await services.inbox.record(connection, left, wanted=wanted)
            new += recorded.new
            due.add(recorded)
            left = [event for event in left if event.event_id in recorded.known - recorded.done]
            await asyncio.sleep(0)
    return new, due


async def _claim_due(connection: Connection, how: dict[str, Any]) -> list[Claimed]:
    return [
        claimed
        for suspects in (False, True)
        for claimed in await storage.deliveries.claim(
            connection, at_most=1000, suspects=suspects, **how
        )
    ]


async def claim(
    database: Database, delivery: int, *, lease: timedelta = LEASE, in_flight: int = 100
) -> Claimed | None:
    """Claim this one, whatever else is due; None where it may not go."""
    others = "SELECT id, due_at FROM ops.webhook_deliveries WHERE state = 'pending' AND id <> $1"
    async with database.transaction() as connection:
        rows = await connection.fetch(others, delivery)
        ids = [row["id"] for row in rows]
        wait = "UPDATE ops.webhook_deliveries SET due_at = 'infinity' WHERE id = ANY ($1)"
        await connection.execute(wait, ids)
        how = {"lease": uuid4(), "length": lease, "in_flight": {}, "otherwise": in_flight}
        claimed = await _claim_due(connection, how)
        await connection.execute(
            "UPDATE ops.webhook_deliveries AS delivery SET due_at = was.due_at"
            " FROM unnest($1::bigint[], $2::timestamptz[]) AS was (id, due_at)"
            " WHERE delivery.id = was.id",
            ids,
            [row["due_at"] for row in rows],
        )
    return claimed[0] if claimed else None


async def deliver(database: Database, http: Session, settings: Settings) -> None:
    """Attempt what is due, as one process does, and what comes next, until nothing more is due."""
    sender = Sender(database, http, settings)
    sender.woken.set()
    try:
        async with asyncio.timeout(PATIENCE):
            while sender.woken.is_set():
                sender.woken.clear()
                await sender.take_due()
                await sender.idle()
    finally:
        await sender.interrupt()


async def due(database: Database) -> list[int]:
    """List the deliveries that a worker would attempt now."""
    async with database.transaction() as connection:
        how = {"lease": uuid4(), "length": NO_TIME, "in_flight": {}, "otherwise": 1000}
        claimed = await _claim_due(connection, how)
        await connection.execute("ROLLBACK; BEGIN")
    return sorted(each.delivery_id for each in claimed)


async def due_later(database: Database) -> list[int]:
    """List the deliveries that wait for their next attempt, and for nothing else."""
    query = (
        "SELECT array_agg(id ORDER BY id) FROM ops.webhook_deliveries"
        " WHERE state = 'pending' AND lease IS NULL AND due_at > now() AND isfinite(due_at)"
    )
    return await value(database, query) or []


async def settle(
    database: Database, claimed: Claimed, settlement: Settlement
) -> storage.deliveries.Settled:
    async with database.transaction() as connection:
        (settled,) = await storage.deliveries.settle(connection, [Outcome(claimed, settlement)])
    return settled


async def one_due(database: Database, url: str, **endpoint: Any) -> int:
    await add_endpoint(database, url, **endpoint)
    await place(database, "SO-10045")
    (due,) = await come_back(database, *await events(database))
    return due


async def state(database: Database, delivery: int) -> dict[str, Any]:
    async with database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT *, CASE WHEN due_at < 'infinity' THEN due_at - now() END AS due_in"
            " FROM ops.webhook_deliveries WHERE id = $1",
            delivery,
        )
    assert row is not None
    return dict(row)


def resources(database: Database, settings: Settings) -> Resources:
    nobody: Any = None
    return Resources(settings, database, publisher=nobody, http=nobody)


async def consume(database: Database, settings: Settings, name: str) -> None:
    """Let one consumer have the events that are due to it."""
    known = {consumer.name: consumer for consumer in actors.consumers.installed(settings)}
    await have_consumed(resources(database, settings), name, known[name].work)


async def have_consumed(held: Resources, name: str, work: Work) -> None:
    """Have this work done, by a worker of its own, on what is due to a consumer."""
    consuming = Consuming(held, name, work)
    consuming.woken.set()
    try:
        while consuming.woken.is_set():
            consuming.woken.clear()
            await consuming.take_due()
            await consuming.idle()
    except asyncio.CancelledError:
        await consuming.interrupt()
        raise


async def claim_consumptions(
    database: Database, name: str, *, length: timedelta, suspects: bool = False
) -> list[storage.consumptions.Claim]:
    """Claim all that is due to a consumer, as a worker that does nothing else."""
    async with database.connection() as connection:
        return await storage.consumptions.claim(
            connection, name, lease=uuid4(), length=length, at_most=1000, suspects=suspects
        )


async def crash(database: Database, consumer: str, *, times: int) -> None:
    """Let so many workers die over what a consumer has to do, and let their leases end."""
    for crashes in range(times):
        suspects = crashes >= CRASHES_UNSUSPECTED
        await claim_consumptions(database, consumer, length=timedelta(0), suspects=suspects)


async def go_on(database: Database, settings: Settings) -> None:
    """Bring every event back and let every consumer have it, until nothing new happens."""
    wanted = {each.name: each.pattern for each in actors.consumers.installed(settings)}
    while True:
        new, due = await record(database, await events(database), wanted=wanted)
        for name in due.consumptions:
            await consume(database, settings, name)
        if not new:
            return


async def value(database: Database, query: str, *arguments: object) -> Any:
    async with database.connection() as connection:
        return await connection.fetchval(query, *arguments)


_WAITING = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def count_who_wait(database: Database) -> int:
    """Count the sessions that wait for somebody's lock in this database."""
    return int(await value(database, f"SELECT count(*) FROM {_WAITING}"))


async def end_who_wait(database: Database) -> int:
    """End each of them; returns how many."""
    return int(await value(database, f"SELECT count(pg_terminate_backend(pid)) FROM {_WAITING}"))


async def clock(database: Database) -> datetime:
    """What PostgreSQL's clock shows: between two of these lies what happened meanwhile."""
    moment: datetime = await value(database, "SELECT clock_timestamp()")
    return moment

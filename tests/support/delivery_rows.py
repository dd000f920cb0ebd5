"""Deliveries of webhooks, and the attempts at them."""

from __future__ import annotations

from orderbus.storage.database import Database
from tests.support.scenario import value


async def ids(database: Database) -> list[int]:
    """Every delivery, in the order of its order's story."""
    query = "SELECT array_agg(id ORDER BY sequence, id) FROM ops.webhook_deliveries"
    return await value(database, query) or []


async def states(database: Database) -> list[str]:
    """The state of every delivery, the oldest first."""
    query = "SELECT array_agg(state ORDER BY id) FROM ops.webhook_deliveries"
    return await value(database, query) or []


async def count_under_way(database: Database) -> int:
    """Count the deliveries that a worker has claimed."""
    query = "SELECT count(*) FROM ops.webhook_deliveries WHERE lease IS NOT NULL"
    return int(await value(database, query))


async def make_due(database: Database) -> None:
    """Let the time pass until the next attempt at every delivery."""
    await value(
        database, "UPDATE ops.webhook_deliveries SET due_at = now() WHERE state = 'pending'"
    )


async def leave_one_attempt(database: Database) -> None:
    """Let the attempts pass that deliveries are allowed, but the last; it is due."""
    await value(database, "UPDATE ops.webhook_deliveries SET attempts = 9, due_at = now()")


async def give_up(database: Database) -> None:
    """Have every delivery given up."""
    await value(database, "UPDATE ops.webhook_deliveries SET state = 'dead', settled_at = now()")


async def forget_hints(database: Database) -> None:
    """Let nobody have been told of any delivery."""
    await value(database, "UPDATE ops.webhook_deliveries SET hinted_at = NULL")


async def end_leases(database: Database) -> None:
    """Let the time pass for which claimed deliveries are a worker's."""
    await value(
        database,
        "UPDATE ops.webhook_deliveries SET leased_until = now() - interval '1 s'"
        " WHERE lease IS NOT NULL",
    )


async def max_attempts(database: Database) -> int:
    """The attempts charged to the delivery that was charged most."""
    return int(await value(database, "SELECT max(attempts) FROM ops.webhook_deliveries") or 0)


async def outcomes(database: Database) -> list[str | None]:
    """How each attempt ended; None is one that has not."""
    query = "SELECT array_agg(outcome ORDER BY delivery_id, number) FROM ops.webhook_attempts"
    return await value(database, query) or []


async def count_attempts(database: Database) -> int:
    """Count the attempts, begun or ended."""
    return len(await outcomes(database))


async def count_ended_attempts(database: Database) -> int:
    return sum(outcome is not None for outcome in await outcomes(database))


async def errors(database: Database) -> list[str | None]:
    """Why each attempt failed; None is one that did not."""
    query = "SELECT array_agg(error ORDER BY delivery_id, number) FROM ops.webhook_attempts"
    return await value(database, query) or []


async def statuses(database: Database) -> list[int | None]:
    """What receivers answered to each attempt; None is one without an answer."""
    query = "SELECT array_agg(status ORDER BY delivery_id, number) FROM ops.webhook_attempts"
    return await value(database, query) or []

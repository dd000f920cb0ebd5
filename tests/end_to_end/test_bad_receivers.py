"""A receiver that misbehaves costs itself only."""

from __future__ import annotations

import asyncio

from aiohttp import web

from tests.support import delivery_rows
from tests.support.system import System


async def hurry(system: System) -> None:
    """Let the time pass that the schedule asks for."""
    await delivery_rows.make_due(system.database)


async def test_a_receiver_that_fails_twice_gets_the_same_bytes_a_third_time(
    system: System,
) -> None:
    await system.start_all()
    statuses = iter([500, 503])

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=next(statuses, 204))

    system.receiver.answer = answer
    await system.post()
    for attempt in (1, 2):

        async def failed(attempt: int = attempt) -> bool:
            done = "SELECT count(*) FROM ops.webhook_attempts WHERE finished_at IS NOT NULL"
            return bool(await system.value(done) == attempt)

        await system.until(failed, f"attempt {attempt} is in the ledger")
        await hurry(system)
    await system.until_accepted(1)

    assert len(system.receiver.requests) == 3
    assert len({request.content for request in system.receiver.requests}) == 1
    assert len({r.headers["webhook-id"] for r in system.receiver.requests}) == 1


async def test_a_receiver_that_hangs_holds_up_nobody_else(system: System) -> None:
    system.env |= {"ORDERBUS_WEBHOOK_TIMEOUT": "100", "ORDERBUS_DELIVERY_LEASE": "110"}
    await system.orderbus("endpoints", "add", f"{system.receiver.url}/hangs")
    await system.start_all()
    system.receiver.answer = hang_there
    await asyncio.gather(*(system.post() for _ in range(40)))
    await system.until_accepted(40)

    given_up = "SELECT count(*) FROM ops.webhook_attempts WHERE error = 'timeout'"
    assert await system.value(given_up) == 0, "it hung all the while"
    assert len(system.receiver.times()) == 40


async def test_a_receiver_that_hangs_is_given_up(system: System) -> None:
    system.env |= {"ORDERBUS_WEBHOOK_TIMEOUT": "1", "ORDERBUS_DELIVERY_LEASE": "30"}
    await system.orderbus("endpoints", "add", f"{system.receiver.url}/hangs")
    await system.start_all()
    system.receiver.answer = hang_there
    await system.post()

    given_up = (
        "SELECT count(*) > 0 FROM ops.webhook_attempts AS attempt"
        " JOIN ops.webhook_deliveries AS delivery ON delivery.id = attempt.delivery_id"
        " JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id"
        " WHERE attempt.error IN ('timeout', 'stalled') AND endpoint.url LIKE '%/hangs'"
    )
    await system.until(lambda: system.value(given_up), "the one that hangs is given up")


async def hang_there(request: web.Request) -> web.StreamResponse:
    """Never answer on one path."""
    if request.path.endswith("/hangs"):
        await asyncio.Event().wait()
    return web.Response(status=204)


async def test_a_redirect_is_not_followed_and_counts_as_failed(system: System) -> None:
    await system.start_all()

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": str(request.url) + "/elsewhere"})

    system.receiver.answer = answer
    await system.post()
    failed = "SELECT count(*) = 1 FROM ops.webhook_attempts WHERE status = 302"
    await system.until(lambda: system.value(failed), "the attempt is in the ledger")

    assert len(system.receiver.requests) == 1


async def test_an_endless_answer_is_cut_off_and_judged_by_its_status(system: System) -> None:
    await system.start_all()

    async def answer(request: web.Request) -> web.StreamResponse:
        endless = web.StreamResponse(status=200)
        await endless.prepare(request)
        while True:
            await endless.write(b"x" * 65_536)

    system.receiver.answer = answer
    await system.post()
    delivered = "SELECT state = 'delivered' FROM ops.webhook_deliveries"
    await system.until(lambda: system.value(delivered), "delivered")

    assert await system.value("SELECT length(head) FROM ops.webhook_attempts") <= 2048


async def test_a_dead_letter_is_redriven_by_one_command(system: System) -> None:
    await system.start_all()

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    system.receiver.answer = answer
    await system.post()
    tried = "SELECT count(*) = 1 FROM ops.webhook_attempts WHERE finished_at IS NOT NULL"
    await system.until(lambda: system.value(tried), "the first attempt failed")
    await delivery_rows.leave_one_attempt(system.database)
    dead = "SELECT state = 'dead' FROM ops.webhook_deliveries"
    await system.until(lambda: system.value(dead), "the schedule is over")
    system.receiver.answer = None

    (letter,) = await system.orderbus("dead-letters", "list")
    await system.orderbus("dead-letters", "redrive", str(letter["id"]))
    await system.until_accepted(1)

    assert letter["reason"] == "exhausted"
    assert await system.orderbus("dead-letters", "list") == []

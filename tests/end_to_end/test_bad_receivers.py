"""A receiver that misbehaves costs itself only."""

from __future__ import annotations

import asyncio
from functools import partial

from aiohttp import web

from tests.support import delivery_rows
from tests.support.system import System


async def hurry(system: System) -> None:
    """Let the time pass that the schedule asks for."""
    await delivery_rows.make_due(system.database)


async def until_attempted(system: System, times: int) -> None:
    async def attempted() -> bool:
        return await delivery_rows.count_ended_attempts(system.database) == times

    await system.until(attempted, f"attempt {times} is in the ledger")


async def until_all_are(system: System, state: str) -> None:
    await system.until(partial(delivery_rows.all_are, system.database, state), state)


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
        await until_attempted(system, attempt)
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

    errors = await delivery_rows.errors(system.database)
    assert "timeout" not in errors, "it hung all the while"
    assert len(system.receiver.times()) == 40


async def test_a_receiver_that_hangs_is_given_up(system: System) -> None:
    system.env |= {"ORDERBUS_WEBHOOK_TIMEOUT": "1", "ORDERBUS_DELIVERY_LEASE": "30"}
    await system.orderbus("endpoints", "add", f"{system.receiver.url}/hangs")
    await system.start_all()
    system.receiver.answer = hang_there
    await system.post()

    async def given_up() -> bool:
        errors = await delivery_rows.errors(system.database, path="/hangs")
        return bool({"timeout", "stalled"}.intersection(errors))

    await system.until(given_up, "the one that hangs is given up")


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
    await until_attempted(system, 1)

    assert await delivery_rows.statuses(system.database) == [302]
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
    await until_all_are(system, "delivered")

    (head,) = await delivery_rows.heads(system.database)
    assert len(head) <= 2048


async def test_a_dead_letter_is_redriven_by_one_command(system: System) -> None:
    await system.start_all()

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    system.receiver.answer = answer
    await system.post()
    await until_attempted(system, 1)
    await delivery_rows.leave_one_attempt(system.database)
    await until_all_are(system, "dead")
    system.receiver.answer = None

    (letter,) = await system.orderbus("dead-letters", "list")
    await system.orderbus("dead-letters", "redrive", str(letter["id"]))
    await system.until_accepted(1)

    assert letter["reason"] == "exhausted"
    assert await system.orderbus("dead-letters", "list") == []

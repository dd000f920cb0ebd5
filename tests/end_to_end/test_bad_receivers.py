"""A receiver that misbehaves costs itself only."""

from __future__ import annotations

import asyncio

from aiohttp import web

from tests.end_to_end.system import System


async def hurry(system: System) -> None:
    """Let the time pass that the schedule asks for."""
    await system.value("UPDATE ops.webhook_deliveries SET due_at = now() WHERE state = 'pending'")


async def test_a_receiver_that_fails_twice_gets_the_same_bytes_a_third_time(
    system: System,
) -> None:
    await system.start_all()
    statuses = iter([500, 503])

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=next(statuses, 204))

    system.customer.answer = answer
    await system.post()
    for attempt in (1, 2):

        async def failed(attempt: int = attempt) -> bool:
            done = "SELECT count(*) FROM ops.webhook_attempts WHERE finished_at IS NOT NULL"
            return bool(await system.value(done) == attempt)

        await system.until(failed, f"attempt {attempt} is in the ledger")
        await hurry(system)
    await system.until_accepted(1)

    assert len(system.customer.requests) == 3
    assert len({request["bytes"] for request in system.customer.requests}) == 1
    assert len({r["headers"]["webhook-id"] for r in system.customer.requests}) == 1


async def test_a_receiver_that_hangs_holds_up_nobody_else(system: System) -> None:
    await system.orderbus("endpoints", "add", f"{system.customer.url}/hangs")
    await system.start_all()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/hangs"):
            await asyncio.sleep(60)
        return web.Response(status=204)

    system.customer.answer = answer
    await asyncio.gather(*(system.post() for _ in range(40)))
    await system.until_accepted(40, seconds=20)

    timeouts = "SELECT count(*) > 0 FROM ops.webhook_attempts WHERE error = 'timeout'"
    await system.until(lambda: system.value(timeouts), "the one that hangs is given up")
    assert len(system.customer.times()) == 40


async def test_a_redirect_is_not_followed_and_counts_as_failed(system: System) -> None:
    await system.start_all()

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": str(request.url) + "/elsewhere"})

    system.customer.answer = answer
    await system.post()
    failed = "SELECT count(*) = 1 FROM ops.webhook_attempts WHERE status = 302"
    await system.until(lambda: system.value(failed), "the attempt is in the ledger")

    assert len(system.customer.requests) == 1


async def test_an_endless_answer_is_cut_off_and_judged_by_its_status(system: System) -> None:
    await system.start_all()

    async def answer(request: web.Request) -> web.StreamResponse:
        endless = web.StreamResponse(status=200)
        await endless.prepare(request)
        while True:
            await endless.write(b"x" * 65_536)

    system.customer.answer = answer
    await system.post()
    delivered = "SELECT state = 'delivered' FROM ops.webhook_deliveries"
    await system.until(lambda: system.value(delivered), "delivered")

    assert await system.value("SELECT length(head) FROM ops.webhook_attempts") <= 2048


async def test_a_dead_letter_is_redriven_by_one_command(system: System) -> None:
    await system.start_all()

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    system.customer.answer = answer
    await system.post()
    tried = "SELECT count(*) = 1 FROM ops.webhook_attempts WHERE finished_at IS NOT NULL"
    await system.until(lambda: system.value(tried), "the first attempt failed")
    await system.value("UPDATE ops.webhook_deliveries SET attempts = 9, due_at = now()")
    dead = "SELECT state = 'dead' FROM ops.webhook_deliveries"
    await system.until(lambda: system.value(dead), "the schedule is over")
    system.customer.answer = None

    (letter,) = await system.orderbus("dead-letters", "list")
    await system.orderbus("dead-letters", "redrive", str(letter["id"]))
    await system.until_accepted(1)

    assert letter["reason"] == "exhausted"
    assert await system.orderbus("dead-letters", "list") == []

"""Whoever waits for something to come back tries again until it works, or until nobody wants it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from orderbus import waiting
from orderbus.domain.retries import Pauses
from orderbus.errors import Poisoned, Unavailable

MOMENT = Pauses(timedelta(milliseconds=1), timedelta(milliseconds=1))
DAY = Pauses(timedelta(days=1), timedelta(days=1))

Wait = Callable[..., Awaitable[Any]]


@pytest.fixture(params=["in a task", "in a thread"])
def until_it_works(request: pytest.FixtureRequest) -> Wait:
    """Wait as a task of an event loop does, or as a thread does."""
    if request.param == "in a task":

        async def wait_as_a_task(attempt: Callable[[], Any], *args: Any, **options: Any) -> Any:
            async def call() -> Any:
                return attempt()

            return await waiting.until_it_works(call, *args, **options)

        return wait_as_a_task

    async def wait_as_a_thread(*args: Any, **options: Any) -> Any:
        return await asyncio.to_thread(waiting.block_until_it_works, *args, **options)

    return wait_as_a_thread


class Neighbour:
    """Is away for some calls; remembers how often it was called."""

    def __init__(self, *, away_for: int, error: type[Exception] = Unavailable) -> None:
        self._away_for = away_for
        self._error = error
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self._away_for:
            raise self._error(f"away {self.calls}")
        return "here"


async def test_it_tries_until_it_works_and_returns_what_came(until_it_works: Wait) -> None:
    neighbour = Neighbour(away_for=3)

    assert await until_it_works(neighbour, MOMENT) == "here"
    assert neighbour.calls == 4


async def test_of_one_outage_only_the_first_error_is_reported(until_it_works: Wait) -> None:
    reported: list[str] = []

    await until_it_works(
        Neighbour(away_for=3), MOMENT, away=lambda error: reported.append(str(error))
    )

    assert reported == ["away 1"]


async def test_an_error_that_waiting_cannot_mend_goes_on_at_once(until_it_works: Wait) -> None:
    def fail() -> None:
        raise Poisoned("no", reason="never")

    with pytest.raises(Poisoned, match="no"):
        await until_it_works(fail, DAY)


async def test_it_waits_for_the_errors_it_is_given(until_it_works: Wait) -> None:
    neighbour = Neighbour(away_for=1, error=OSError)

    assert await until_it_works(neighbour, MOMENT, retry_on=OSError) == "here"


async def test_the_last_error_is_raised_when_the_time_is_over(until_it_works: Wait) -> None:
    neighbour = Neighbour(away_for=10**9)

    with pytest.raises(Unavailable) as raised:
        await until_it_works(neighbour, MOMENT, within=timedelta(milliseconds=20))

    assert str(raised.value) == f"away {neighbour.calls}"


@pytest.mark.timeout(30)
async def test_a_task_that_is_stopped_ends_in_the_middle_of_its_pause() -> None:
    stop, neighbour = asyncio.Event(), Neighbour(away_for=10**9)

    async def attempt() -> str:
        return neighbour()

    waits = waiting.until_it_works(attempt, DAY, stop=stop, away=lambda _: stop.set())

    with pytest.raises(Unavailable, match="away 1"):
        await waits
    assert neighbour.calls == 1


@pytest.mark.timeout(30)
def test_a_thread_that_is_stopped_ends_in_the_middle_of_its_pause() -> None:
    stop, paused, neighbour = threading.Event(), threading.Event(), Neighbour(away_for=10**9)

    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(
            waiting.block_until_it_works, neighbour, DAY, stop=stop, away=lambda _: paused.set()
        )
        paused.wait()
        stop.set()

        with pytest.raises(Unavailable, match="away 1"):
            waits.result()
    assert neighbour.calls == 1


@pytest.mark.timeout(30)
async def test_a_task_that_is_cancelled_ends_whether_it_tries_or_pauses() -> None:
    paused, trying = asyncio.Event(), asyncio.Event()

    async def away() -> None:
        raise Unavailable("away")

    async def hang() -> None:
        trying.set()
        await asyncio.Event().wait()

    pauses = asyncio.create_task(waiting.until_it_works(away, DAY, away=lambda _: paused.set()))
    tries = asyncio.create_task(waiting.until_it_works(hang, DAY))
    await asyncio.gather(paused.wait(), trying.wait())
    for task in (pauses, tries):
        task.cancel()

    results = await asyncio.gather(pauses, tries, return_exceptions=True)

    assert [type(result) for result in results] == [asyncio.CancelledError] * 2

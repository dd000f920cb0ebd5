"""Waits for something to come back: the one way to try again within a process, on tenacity."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypeVar

import tenacity

from orderbus.domain.retries import Pauses
from orderbus.errors import Unavailable

T = TypeVar("T")
Hear = Callable[[Any], object]


async def until_it_works(
    attempt: Callable[[], Awaitable[T]],
    pauses: Pauses,
    *,
    retry_on: type[Exception] = Unavailable,
    within: timedelta | None = None,
    stop: asyncio.Event | None = None,
    away: Hear | None = None,
) -> T:
    """Call ``attempt`` until it does not raise ``retry_on``; returns what it returns.

    ``away`` hears the first error only: an outage is logged once. The last error is raised when
    ``within`` is over, and at once when ``stop`` is set during a pause. Whatever else ``attempt``
    raises goes on as it is.
    """
    stopped = stop or asyncio.Event()

    async def pause(seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stopped.wait()

    async def once() -> T:
        return await attempt()

    options = _options(pauses, retry_on, within, stopped, away)
    return await tenacity.AsyncRetrying(sleep=pause, **options)(once)


def block_until_it_works(
    attempt: Callable[[], T],
    pauses: Pauses,
    *,
    retry_on: type[Exception] = Unavailable,
    within: timedelta | None = None,
    stop: threading.Event | None = None,
    away: Hear | None = None,
) -> T:
    """Do what ``until_it_works`` does, in a thread that may block."""
    stopped = stop or threading.Event()
    options = _options(pauses, retry_on, within, stopped, away)
    return tenacity.Retrying(sleep=tenacity.sleep_using_event(stopped), **options)(attempt)


def _options(
    pauses: Pauses,
    retry_on: type[Exception],
    within: timedelta | None,
    stopped: asyncio.Event | threading.Event,
    away: Hear | None,
) -> dict[str, Any]:
    """Name what tenacity has to know, whichever way it pauses."""
    last: BaseException | None = None

    def hear(state: tenacity.RetryCallState) -> None:
        nonlocal last
        last = state.outcome.exception() if state.outcome else None
        if away is not None and state.attempt_number == 1:
            away(last)

    def go_on(_: tenacity.RetryCallState) -> None:
        if last is not None and stopped.is_set():
            raise last

    return {
        "retry": tenacity.retry_if_exception_type(retry_on),
        "wait": lambda state: pauses.after(
            state.attempt_number,
            jitter=random.random(),  # noqa: S311 - spreads attempts, guards nothing
        ).total_seconds(),
        "stop": tenacity.stop_never if within is None else tenacity.stop_after_delay(within),
        "before": go_on,
        "before_sleep": hear,
        "reraise": True,
    }

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
    outage, stopped = _Outage(away), stop or asyncio.Event()

    async def pause(seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stopped.wait()
        outage.end_if(stopped.is_set())

    async def once() -> T:
        return await attempt()

    retrying = tenacity.AsyncRetrying(sleep=pause, **outage.options(pauses, retry_on, within))
    return await retrying(once)


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
    outage, stopped = _Outage(away), stop or threading.Event()

    def pause(seconds: float) -> None:
        outage.end_if(stopped.wait(seconds))

    return tenacity.Retrying(sleep=pause, **outage.options(pauses, retry_on, within))(attempt)


class _Outage:
    """Remembers the last error, and reports the first."""

    def __init__(self, away: Hear | None) -> None:
        self._away = away
        self._error: BaseException | None = None

    def options(
        self, pauses: Pauses, retry_on: type[Exception], within: timedelta | None
    ) -> dict[str, Any]:
        """Name what tenacity has to know, whichever way it pauses."""
        return {
            "retry": tenacity.retry_if_exception_type(retry_on),
            "wait": lambda state: pauses.after(
                state.attempt_number,
                jitter=random.random(),  # noqa: S311 - spreads attempts, guards nothing
            ).total_seconds(),
            "stop": tenacity.stop_never if within is None else tenacity.stop_after_delay(within),
            "before_sleep": self._hear,
            "reraise": True,
        }

    def _hear(self, state: tenacity.RetryCallState) -> None:
        self._error = state.outcome.exception() if state.outcome else None
        if self._away is not None and state.attempt_number == 1:
            self._away(self._error)

    def end_if(self, stopped: bool) -> None:  # noqa: FBT001 - said by the name
        """Raise the last error if whoever waits was stopped meanwhile."""
        if stopped and self._error is not None:
            raise self._error

"""What many ask for is worked out by one of them, and the others get the same."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from orderbus.errors import Busy
from orderbus.services import shared
from orderbus.services.shared import Shared, SharedByThreads, Together
from tests.support.waiting import PATIENCE


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shared, "time", clock)
    return clock


class Work:
    """Counts how often it is done; each time waits to be let go, then answers or fails."""

    def __init__(self) -> None:
        self.done = 0
        self.go = asyncio.Event()
        self.fails = False

    async def __call__(self) -> int:
        self.done += 1
        number = self.done
        await self.go.wait()
        if self.fails:
            raise ConnectionError(number)
        return number


async def test_sixty_at_once_cost_one(clock: Clock) -> None:
    work = Work()
    answer = Shared(work)

    asking = [asyncio.create_task(answer.get()) for _ in range(60)]
    await asyncio.sleep(0)
    clock.now += 60  # however long it takes: nobody begins a second one beside it
    asking += [asyncio.create_task(answer.get()) for _ in range(60)]
    work.go.set()

    assert await asyncio.gather(*asking) == [1] * 120


async def test_an_answer_is_given_again_for_a_second(clock: Clock) -> None:
    work = Work()
    work.go.set()
    answer = Shared(work)

    assert await answer.get() == 1
    clock.now += 0.9
    assert await answer.get() == 1
    clock.now += 0.1
    assert await answer.get() == 2


async def test_an_error_is_shared_too_and_is_not_for_ever(clock: Clock) -> None:
    work = Work()
    work.go.set()
    work.fails = True
    answer = Shared(work)

    failed = await asyncio.gather(*(answer.get() for _ in range(60)), return_exceptions=True)
    assert {repr(error) for error in failed} == {"ConnectionError(1)"}
    clock.now += 1
    work.fails = False
    assert await answer.get() == 2


async def test_who_goes_away_takes_nothing_from_the_others(clock: Clock) -> None:
    work = Work()
    answer = Shared(work)
    first, second = (asyncio.create_task(answer.get()) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    first.cancel()
    work.go.set()

    assert await second == 1
    assert work.done == 1


def test_threads_share_an_answer_too(clock: Clock) -> None:
    go, done = threading.Event(), []

    def work() -> int:
        go.wait(PATIENCE)
        done.append(1)
        return len(done)

    answer = SharedByThreads(work)
    with ThreadPoolExecutor(10) as threads:
        asked = [threads.submit(answer.get) for _ in range(10)]
        go.set()
        assert [each.result(PATIENCE) for each in asked] == [1] * 10
    clock.now += 1
    assert answer.get() == 2


async def test_a_few_that_are_stuck_keep_nobody_else_waiting() -> None:
    may_end = asyncio.Event()

    async def work(items: Sequence[int]) -> Sequence[int]:
        if 0 in items:
            await may_end.wait()
        return items

    together = Together(work, at_most=10)
    stuck = asyncio.create_task(together.hand_in(0))
    await asyncio.sleep(0)

    assert await asyncio.gather(*(together.hand_in(item) for item in (1, 2, 3))) == [1, 2, 3]
    may_end.set()
    assert await stuck == 0


async def test_whoever_waits_for_a_lock_is_told_so_and_the_others_are_dealt_with() -> None:
    async def work(items: Sequence[int]) -> Sequence[int]:
        if 7 in items:
            raise Busy("locked")
        return items

    together = Together(work, at_most=100)
    answers = await asyncio.gather(
        *(together.hand_in(item) for item in range(50)), return_exceptions=True
    )

    assert [item for item, answer in enumerate(answers) if answer != item] == [7]
    assert isinstance(answers[7], Busy)


async def test_where_everything_is_locked_little_is_tried() -> None:
    tried: list[int] = []

    async def work(items: Sequence[int]) -> Sequence[int]:
        tried.append(len(items))
        raise Busy("locked")

    together = Together(work, at_most=100)
    answers = await asyncio.gather(
        *(together.hand_in(item) for item in range(100)), return_exceptions=True
    )

    assert all(isinstance(answer, Busy) for answer in answers)
    assert len(tried) < 30


async def test_too_few_answers_and_work_that_cancels_itself_are_errors() -> None:
    async def short(items: Sequence[int]) -> Sequence[int]:
        if 3 in items:
            raise asyncio.CancelledError
        return items[1:]

    together = Together(short, at_most=10)
    answers = await asyncio.gather(
        *(together.hand_in(item) for item in (1, 2, 3)), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [RuntimeError] * 3

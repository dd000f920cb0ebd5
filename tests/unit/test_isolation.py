"""Deliveries run side by side, and one that is suspected runs alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from orderbus.egress.isolation import Isolation
from tests.support.waiting import PATIENCE

LONG = timedelta(seconds=PATIENCE)
A_MOMENT = timedelta(milliseconds=20)


class Doorway:
    """Three deliveries that write down what they do: the first, a suspected one, a later one."""

    def __init__(self, *, patience: timedelta) -> None:
        self.isolation = Isolation()
        self.patience = patience
        self.said: list[str] = []
        self.first_may_end = asyncio.Event()
        self.first_is_inside = asyncio.Event()
        self.suspect_may_end = asyncio.Event()
        self.suspect_is_alone = asyncio.Event()

    async def first(self) -> None:
        async with self.isolation.beside_others():
            self.first_is_inside.set()
            await self.first_may_end.wait()
            self.said.append("first ended")

    async def suspect(self) -> None:
        await self.first_is_inside.wait()
        async with self.isolation.beside_others(), self.isolation.alone(patience=self.patience):
            self.said.append("suspect went on")
            self.suspect_is_alone.set()
            await self.suspect_may_end.wait()
            self.said.append("suspect ended")

    async def later(self) -> None:
        async with self.isolation.beside_others():
            self.said.append("later went on")


async def test_a_suspect_waits_until_the_others_have_ended_and_keeps_newcomers_out() -> None:
    doorway = Doorway(patience=LONG)
    async with asyncio.TaskGroup() as group:
        group.create_task(doorway.first())
        group.create_task(doorway.suspect())
        for _ in range(5):  # each turn of the loop lets every task go on to where it waits
            await asyncio.sleep(0)
        group.create_task(doorway.later())
        for _ in range(5):
            await asyncio.sleep(0)
        assert doorway.said == []
        doorway.first_may_end.set()
        await doorway.suspect_is_alone.wait()
        doorway.suspect_may_end.set()

    assert doorway.said == ["first ended", "suspect went on", "suspect ended", "later went on"]


async def test_a_suspect_goes_on_beside_one_that_does_not_end_within_its_patience() -> None:
    doorway = Doorway(patience=A_MOMENT)
    doorway.suspect_may_end.set()
    async with asyncio.TaskGroup() as group:
        group.create_task(doorway.first())
        await doorway.suspect()
        doorway.first_may_end.set()

    assert doorway.said == ["suspect went on", "suspect ended", "first ended"]
    await asyncio.wait_for(doorway.later(), timeout=PATIENCE)

"""At which rate does the backlog stay flat, end to end?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.report import Goal, Plot, Raw, Result, Run
from bench.system import Backlog, System, system

#: The backlog may grow by so many rows a second for each order a second, and is flat: less than one
#: order of a hundred is left behind, since each leaves five rows and more on its way.
FLAT = 0.05
#: The first part of a run does not count: it fills what is under way.
_WARM_UP = 1 / 3
#: How far the next rate is from the best or the least, while one of them is unknown.
_STEP = 1.4
_PATIENCE = 120


@dataclass(frozen=True, slots=True)
class Held:
    """What a rate did to the backlog."""

    rate: float
    accepted: float
    refused: int
    samples: Sequence[tuple[float, Backlog]]

    @property
    def growth(self) -> float:
        """Rows a second by which the backlog grew (least squares), the beginning left out."""
        last = self.samples[-1][0]
        points = [(at, one.total) for at, one in self.samples if at >= last * _WARM_UP]
        middle = sum(at for at, _ in points) / len(points)
        mean = sum(total for _, total in points) / len(points)
        spread = sum((at - middle) ** 2 for at, _ in points)
        return sum((at - middle) * (total - mean) for at, total in points) / spread

    @property
    def flat(self) -> bool:
        """Whether it could have gone on for ever."""
        as_offered = not self.refused and self.accepted >= 0.98 * self.rate
        return as_offered and self.growth <= FLAT * self.rate


async def measure(folder: Path, run: Run) -> list[Result]:
    """One endpoint of order.created, from a new database."""
    async with system(folder) as running:
        return await _highest(running, "order.created", 400 * run.scale, run)


async def of_every_event(folder: Path, run: Run) -> list[Result]:
    """Let the endpoint want every event, four for each order."""
    async with system(folder, events="*") as running:
        return await _highest(running, "every event", 250 * run.scale, run)


async def _highest(running: System, name: str, goal: float, run: Run) -> list[Result]:
    """Hold the goal for long; then look for the highest rate that stays flat, up or down."""
    held = await hold(running, goal, run.pick(12, 45, 300))
    tries = [held]
    for _ in range(int(run.pick(1, 3, 6))):
        if (await running.drained(within=_PATIENCE)).total:
            break  # what is left says enough
        tries.append(await hold(running, _next(tries), run.pick(8, 15, 60)))
    best = max((one.rate for one in tries if one.flat), default=0.0)
    told = "; ".join(
        f"{one.rate:.0f}/s {'flat' if one.flat else f'grew by {one.growth:.0f} rows/s'}"
        for one in tries
    )
    backlog = [(at, one) for at, one in held.samples]
    lines = {
        "outbox": [(at, float(one.outbox)) for at, one in backlog],
        "deliveries": [(at, float(one.deliveries)) for at, one in backlog],
        "consumptions": [(at, float(one.consumptions)) for at, one in backlog],
    }
    title = f"Backlog at {goal:.0f} orders/s, endpoint of {name}"
    return [
        Goal(
            f"sustained orders/s, endpoint of {name}",
            best,
            goal,
            at_least=True,
            detail=f"new database, all parts and load: {told}",
        ),
        Plot(f"backlog of {name}", title, "seconds", "rows that wait", lines),
        Raw(f"sustained {name}", {"tries": [[one.rate, one.growth] for one in tries]}),
    ]


def _next(tries: Sequence[Held]) -> float:
    """Go up while all is flat, down while nothing is, and else halfway between (by ratio)."""
    flat = [one.rate for one in tries if one.flat]
    grew = [one.rate for one in tries if not one.flat]
    if not grew:
        return max(flat) * _STEP
    return (max(flat) * min(grew)) ** 0.5 if flat else min(grew) / _STEP


async def hold(running: System, rate: float, seconds: float) -> Held:
    """Offer a rate for so long, and look at the backlog each second."""
    samples: list[tuple[float, Backlog]] = []
    began = time.perf_counter()
    sending = asyncio.create_task(load.at_rate(running.port, rate, seconds))
    while not sending.done():
        backlog = await running.backlog()
        samples.append((time.perf_counter() - began, backlog))
        await asyncio.wait([sending], timeout=1)
    sent = await sending
    return Held(rate, sent.rate, sent.refused, samples)

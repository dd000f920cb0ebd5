"""Does the memory of each process stay flat, for half an hour at half the load?"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from pathlib import Path

from bench import cpu, load
from bench.report import Goal, Plot, Result, Run
from bench.system import system

#: Half of what is to be sustained.
PER_SECOND = 200
_MIB = 2**20
#: Whose memory has to stay: the others fill caches of a set size, and are shown alone.
_OURS = ("web", "workers", "bridge")


async def measure(folder: Path, run: Run) -> list[Result]:
    """Look at each process every so often; the last third beside the second one."""
    seconds = run.pick(20, 300, 1_800)
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    async with system(folder) as running:
        began = time.perf_counter()
        sending = asyncio.create_task(load.at_rate(running.port, PER_SECOND * run.scale, seconds))
        while not sending.done():
            at = time.perf_counter() - began
            for name, pid in running.pids().items():
                lines[name].append((at, cpu.resident(pid) / _MIB))
            await asyncio.wait([sending], timeout=seconds / 120)
        sent = await sending
        await running.all_drained(within=120)  # else it was the memory of what stood still
    detail = f"{len(sent.waits):,} orders at {PER_SECOND * run.scale:.0f}/s; MiB in thirds: "
    goals: list[Result] = []
    for name in _OURS:
        thirds = _thirds(lines[name], seconds)
        told = detail + ", ".join(f"{third:.0f}" for third in thirds)
        grown = thirds[2] / thirds[1]
        goals.append(Goal(f"memory of {name}, last third / second", grown, 1.05, False, told))  # noqa: FBT003
    title = "Resident memory of each process, shared pages counted each time"
    return [*goals, Plot("memory", title, "seconds", "MiB", dict(lines))]


def _thirds(line: list[tuple[float, float]], seconds: float) -> list[float]:
    """Average each third of the time."""
    thirds: list[list[float]] = [[], [], []]
    for at, value in line:
        thirds[min(2, int(3 * at / seconds))].append(value)
    return [sum(third) / max(1, len(third)) for third in thirds]

"""Which processes run on this machine? Asked of ``ps``, which every system has."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import NoReturn

from tests.support.waiting import PATIENCE


def descendants(pid: int) -> set[int]:
    """List the processes that ``pid`` started, and those that they started in their turn."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    pairs = [
        (int(child), int(parent))
        for child, parent in map(str.split, listed.stdout.split("\n")[:-1])
    ]
    found: set[int] = set()
    while new := {child for child, parent in pairs if parent in {pid, *found}} - found:
        found |= new
    return found


def alive(pids: set[int]) -> set[int]:
    """Say which of the processes run, zombies that nobody has collected left out."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True
    )
    states = dict(line.split()[:2] for line in listed.stdout.splitlines())
    return {pid for pid in pids if not states.get(str(pid), "Z").startswith("Z")}


async def until_gone(pids: set[int], *, seconds: float = PATIENCE) -> None:
    """Wait until none of the processes runs any more."""
    async with asyncio.timeout(seconds):
        while await asyncio.to_thread(alive, pids):
            await asyncio.sleep(0.05)


def end_at_once() -> NoReturn:
    """End this process without stopping its threads."""
    os._exit(0)

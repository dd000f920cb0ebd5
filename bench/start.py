"""How soon is a process ready, and how soon does a command tell how it is used?"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path

from bench import parts
from bench.report import Goal, Result, Run
from orderbus.commands.cli import COMMANDS
from orderbus.devtools.processes import Process, ask, free_port

_TURNS = 5


async def measure(folder: Path, run: Run) -> list[Result]:
    """Start each several times; the median counts."""
    turns = int(run.pick(1, _TURNS))
    async with parts.parts(folder, ["PostgreSQL", "RabbitMQ", "Pub/Sub"]) as env:
        port, metrics = free_port(), free_port()
        env |= {"ORDERBUS_WORKER_METRICS_PORT": str(metrics)}
        web = await _median(turns, folder, env, port, ["web", "--port", str(port)])
        worker = await _median(turns, folder, env, metrics, ["workers", "--processes", "1"])
    helps = [(await _help(command), command) for command in ["", *COMMANDS]]
    slowest, command = max(helps)
    each = f"the slowest of {len(helps)}: orderbus {command} --help"
    return [
        Goal("web ready (s)", web, 1 / run.scale, at_least=False, detail=f"of {turns}"),
        Goal("worker ready (s)", worker, 2 / run.scale, at_least=False, detail=f"of {turns}"),
        Goal("any --help (s)", slowest, 0.3 / run.scale, at_least=False, detail=each),
    ]


async def _median(
    turns: int, folder: Path, env: dict[str, str], port: int, command: list[str]
) -> float:
    took = []
    for _ in range(turns):
        began = time.perf_counter()
        start = [sys.executable, "-m", "orderbus", *command]
        process = await Process.start(command[0], start, sink=parts.silent, env=env, cwd=folder)
        try:
            async with asyncio.timeout(60):
                await _ready(port)
            took.append(time.perf_counter() - began)
        finally:
            await process.stop()
    return statistics.median(took)


async def _ready(port: int) -> None:
    """Ask every hundredth of a second."""
    while True:
        try:
            await ask("GET", f"http://127.0.0.1:{port}/readyz")
        except Exception:  # noqa: BLE001 - whatever it is, it is not ready yet
            await asyncio.sleep(0.01)
        else:
            return


async def _help(command: str) -> float:
    took = []
    for _ in range(3):
        began = time.perf_counter()
        words = [sys.executable, "-m", "orderbus", *([command] if command else []), "--help"]
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.DEVNULL)
        await process.wait()
        took.append(time.perf_counter() - began)
    return statistics.median(took)

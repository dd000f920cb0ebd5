"""How does a whole orderbus come up on one machine, and go down again in order?"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from orderbus.domain.webhooks import new_secret
from orderbus.errors import Misconfigured
from orderbus.local import client
from orderbus.local.parts import Part, find
from orderbus.local.processes import DiedError, Process, Sink, free_port, run, until

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass
class Whole:
    """A running orderbus: what it runs on, and where its doors are."""

    parts: Sequence[Part]
    data: Path
    env: dict[str, str] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)

    async def first_death(self) -> Process:
        """Wait until one of the processes ends by itself."""
        waits = {asyncio.create_task(process.wait()): process for process in self.processes}
        done, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for other in others:
            other.cancel()
        return waits[done.pop()]


@contextmanager
def locked_folder(folder: Path) -> Iterator[Path]:
    """Keep the folder for one starter at a time; raises ``Misconfigured`` where it is in use."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / "lock").open("w")
    with lock:
        if not _lock(lock):
            message = f"Another orderbus uses {folder}: stop it, or name another folder with --data"
            raise Misconfigured(message)
        yield folder


def free_folder(parent: Path, name: str) -> Path:
    """Name the first folder ``name-N`` that nobody uses now, warm ones first."""
    number = 1
    while True:
        folder = parent / f"{name}-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            if _lock(lock):
                return folder
        number += 1


def _lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def whole(
    data: Path,
    *,
    sink: Sink,
    say: Callable[[str], None],
    port: int = 0,
    webhook: str | None = None,
) -> AsyncIterator[Whole]:
    """Bring everything up, wait until it is ready, and take it down in order at the end.

    First the parts, together; then the schema; then receiver, web, workers and bridge. Going down
    nothing new comes in before what is under way is finished. Raises ``Misconfigured`` where a
    part cannot be had, ``DiedError`` where a process does not come up.
    """
    parts = find(data)
    for part in parts:
        say(f"{part.name}: {part.how}")
    async with AsyncExitStack() as stack:
        running = Whole(parts, data, env=_secrets())
        running.env["WEBHOOK_OUTGOING_URL"] = webhook or await _receiver(stack, running, sink)
        await _parts_and_schema(stack, running, sink, say)
        say("starting web, workers and bridge")
        await _processes(stack, running, sink, port)
        yield running


async def _parts_and_schema(
    stack: AsyncExitStack, running: Whole, sink: Sink, say: Callable[[str], None]
) -> None:
    """Start the parts together; migrate while RabbitMQ, which is slow, still starts."""

    async def stop() -> None:
        await asyncio.gather(*(part.stop() for part in running.parts))

    async def start(part: Part) -> None:
        await part.start(sink)
        running.env |= part.env
        running.urls |= part.urls

    async def migrate(before: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.gather(*before)
        say("migrating")
        command = [sys.executable, "-m", "orderbus", "migrate"]
        await run("migrate", command, sink=sink, env=running.env, cwd=running.data)

    stack.push_async_callback(stop)
    async with asyncio.TaskGroup() as group:
        starts = {part.name: group.create_task(start(part)) for part in running.parts}
        group.create_task(migrate([starts["PostgreSQL"], starts["Pub/Sub"]]))


def _secrets() -> dict[str, str]:
    """Make up what a run needs to keep secret, unless it is given; it ends with the run."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(32),
        "WEBHOOK_OUTGOING_SECRET": os.environ.get("WEBHOOK_OUTGOING_SECRET") or new_secret(),
        "ORDERBUS_OPEN_ON_LOOPBACK": "true",
        "ORDERBUS_WEB_HOST": "127.0.0.1",
        "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        "ORDERBUS_WORKER_METRICS_PORT": str(free_port()),
        "ORDERBUS_BRIDGE_METRICS_PORT": str(free_port()),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).strip(
            os.pathsep
        ),
    }


async def _receiver(stack: AsyncExitStack, running: Whole, sink: Sink) -> str:
    port = free_port()
    process = await _start(
        stack,
        running,
        "receiver",
        [str(ROOT / "examples" / "receive_webhooks.py"), "--port", str(port)],
        sink,
        env={"WEBHOOK_SECRET": running.env["WEBHOOK_OUTGOING_SECRET"]},
    )
    running.urls["receiver"] = f"http://127.0.0.1:{port}/"
    await until(
        lambda: _is_ready(running.urls["receiver"]), process, seconds=30, what="The receiver"
    )
    return f"http://127.0.0.1:{port}/webhooks"


async def _processes(stack: AsyncExitStack, running: Whole, sink: Sink, port: int) -> None:
    """Start the workers first and the web server last, so that they stop the other way round."""
    api = f"http://127.0.0.1:{port or free_port()}"
    worker = f"http://127.0.0.1:{running.env['ORDERBUS_WORKER_METRICS_PORT']}"
    bridge = f"http://127.0.0.1:{running.env['ORDERBUS_BRIDGE_METRICS_PORT']}"
    running.urls |= {
        "api": api,
        "docs": f"{api}/docs",
        "worker_metrics": f"{worker}/metrics",
        "bridge_metrics": f"{bridge}/metrics",
    }
    plan = (
        ("workers", [str(ROOT / "run_actors.py"), "--processes", "1"], f"{worker}/readyz"),
        ("bridge", ["-m", "orderbus", "bridge"], f"{bridge}/readyz"),
        ("web", [str(ROOT / "run_web.py"), "--port", api.rpartition(":")[2]], f"{api}/readyz"),
    )
    started = [
        (name, url, await _start(stack, running, name, command, sink))
        for name, command, url in plan
    ]
    async with asyncio.TaskGroup() as group:
        for name, url, process in started:
            group.create_task(_until_ready(url, process, name))


async def _until_ready(url: str, process: Process, name: str) -> None:
    await until(lambda: _is_ready(url), process, seconds=60, what=f"The {name} process")


async def _start(
    stack: AsyncExitStack,
    running: Whole,
    name: str,
    command: list[str],
    sink: Sink,
    env: dict[str, str] | None = None,
) -> Process:
    process = await Process.start(
        name,
        [sys.executable, *command],
        sink=sink,
        env={**running.env, **(env or {})},
        cwd=running.data,  # and not where a .env for other parts may lie
    )
    stack.push_async_callback(process.stop)
    running.processes.append(process)
    return process


async def _is_ready(url: str) -> None:
    async with client.open_client() as http:
        await http.get(url)


def first_error(error: BaseException) -> BaseException:
    """Find what went wrong first in a group of errors that one caused."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def default_data() -> Path:
    """Name the ignored folder that keeps the data of local runs."""
    return Path(os.environ.get("ORDERBUS_DATA", ".orderbus"))


__all__ = [
    "DiedError",
    "Whole",
    "default_data",
    "first_error",
    "free_folder",
    "locked_folder",
    "whole",
]

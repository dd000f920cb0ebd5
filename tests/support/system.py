"""A whole orderbus of real processes, for one test."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from orderbus.domain import webhooks
from orderbus.settings import QUEUES_IN_MEMORY, Settings
from orderbus.storage.database import Database
from tests.support import kill_at, reaper, samples, scenario
from tests.support.ports import kept_port
from tests.support.receiver import Receiver
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
KILL_AT = str(Path(__file__).with_name("kill_at.py"))

COMMANDS = {
    "web": ["run_web.py"],
    "workers": ["run_actors.py", "--processes", "1", "--threads", "12"],
    "bridge": ["-m", "orderbus", "bridge"],
}


class System:
    """Starts, kills and asks the processes of one orderbus."""

    def __init__(
        self, env: dict[str, str], settings: Settings, database: Database, root: Path = ROOT
    ) -> None:
        self.env = env
        self.root = root
        self.settings = settings
        self.database = database
        self.receiver = Receiver()
        self.api = f"http://127.0.0.1:{env['ORDERBUS_WEB_PORT']}"
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
        self.started: dict[str, asyncio.subprocess.Process] = {}
        self._running: list[asyncio.subprocess.Process] = []
        self._log = Path(env["LOG"]).open("ab")  # noqa: SIM115 - closed with the system

    @property
    def processes(self) -> tuple[str, ...]:
        """What runs; where there is no RabbitMQ, the bridge is inside the worker."""
        in_memory = self.env["RABBITMQ_URL"] == QUEUES_IN_MEMORY
        return ("web", "workers") if in_memory else ("web", "workers", "bridge")

    def home_of(self, name: str) -> str:
        """Name the process that does the work of web, workers or bridge."""
        return name if name in self.processes else "workers"

    async def start_all(self, *, but: str | None = None) -> None:
        """Start every process except the one that does the work of ``but``."""
        names = set(self.processes) - {but and self.home_of(but)}
        await asyncio.gather(*(self.start(name) for name in names))

    async def start(
        self,
        name: str,
        *options: str,
        killed_at: str | None = None,
        ready: bool = True,
    ) -> asyncio.subprocess.Process:
        """Start one of ``processes``; ``killed_at`` names where it kills itself."""
        command = [*COMMANDS[name], *options]
        if killed_at is not None:
            command = [KILL_AT, killed_at, *command]
        process = self.started[name] = await self.command(*command)
        if ready:
            await self.until(lambda: self.is_ready(name), f"{name} is ready")
        return process

    async def command(self, *command: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            env={**os.environ, **self.env, "PYTHONPATH": str(self.root)},
            cwd=self.root,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        reaper.watch(process.pid)
        self._running.append(process)
        return process

    async def orderbus(self, *arguments: str) -> Any:
        """Run a command of orderbus with ``--json`` and return what it printed."""
        code, errors, out = await self.typed(*arguments, "--json")
        assert code == 0, errors
        return json.loads(out)

    async def typed(self, *arguments: str) -> tuple[int | None, str, str]:
        """Run a command of orderbus: its code, its errors in one line, and its output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "orderbus",
            *arguments,
            env={**os.environ, **self.env, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, " ".join(err.decode().split()), out.decode()

    async def kill(self, process: asyncio.subprocess.Process) -> None:
        """SIGKILL a process with all its children."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        reaper.forget(process.pid)

    async def ended(self, process: asyncio.subprocess.Process, seconds: float = PATIENCE) -> int:
        """Wait until a process, and its whole group, has ended by itself.

        A Dramatiq master whose worker died before it said that it booted notices after thirty
        seconds; that worker may have claimed a message by then.
        """
        try:
            async with asyncio.timeout(seconds):
                code = await process.wait()
        except TimeoutError:
            log = Path(self.env["LOG"]).read_text()[-6000:]
            raise AssertionError(f"not ended within {seconds:.0f} s\n{log}") from None
        await self.kill(process)
        return code

    async def post(self, reference: str | None = None, **changes: Any) -> str:
        """POST an order as a careful sender does: again until it reads 2xx."""
        body = samples.order_body(reference or f"SO-{uuid4()}", **changes)
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    url = f"{self.api}/webhooks/orders/create/"
                    async with self.http.post(url, json=body) as answer:
                        if answer.status in {200, 201}:
                            return str(body["order_id"])
                        assert answer.status == 503, await answer.text()
                await asyncio.sleep(0.1)

    async def until(
        self, holds: Callable[[], Awaitable[Any]], what: str, *, seconds: float = PATIENCE
    ) -> None:
        """Wait until a condition holds, and fail with its name when it does not."""
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            with suppress(aiohttp.ClientError, TimeoutError):
                if await holds():
                    return
            await asyncio.sleep(0.05)
        log = Path(self.env["LOG"]).read_text()[-6000:]
        raise AssertionError(f"not within {seconds:.0f} s: {what}\n{log}")

    async def until_accepted(self, count: int, *, seconds: float = PATIENCE) -> None:
        """Wait until the receiver has accepted ``count`` different events."""

        async def enough() -> bool:
            return len(self.receiver.times()) >= count

        await self.until(enough, f"{count} events accepted", seconds=seconds)

    async def end_leases(self) -> None:
        """Let the time pass for which the work of dead workers stays theirs.

        Only where no worker lives: what a living one has begun would be begun again.
        """
        tables = {"ops.webhook_deliveries": "", "ops.consumptions": ""}
        for table, more in tables.items():
            await scenario.value(
                self.database,
                f"UPDATE {table} SET leased_until = now(){more} WHERE id IN (SELECT id"
                f" FROM {table} WHERE lease IS NOT NULL AND state = 'pending' ORDER BY id"
                " FOR UPDATE)",
            )

    async def killed(self, process: asyncio.subprocess.Process) -> None:
        """Wait until a process killed itself where it was to, and at no other place."""
        await self.ended(process)
        log = Path(self.env["LOG"]).read_text()
        assert kill_at.LAST_WORDS in log, log[-4000:]

    async def close(self) -> None:
        for process in self._running:
            await self.kill(process)
        await self.http.close()
        self._log.close()

    def readiness(self, name: str) -> str:
        """The URL that tells whether a process is ready."""
        port = {
            "web": "ORDERBUS_WEB_PORT",
            "workers": "ORDERBUS_WORKER_METRICS_PORT",
            "bridge": "ORDERBUS_BRIDGE_METRICS_PORT",
        }[name]
        return f"http://127.0.0.1:{self.env[port]}/readyz"

    async def is_ready(self, name: str) -> bool:
        async with self.http.get(self.readiness(name)) as answer:
            return answer.status == 200


def own_ports() -> dict[str, str]:
    """The variables that name ports nobody else uses."""
    ports = ("ORDERBUS_WEB_PORT", "ORDERBUS_WORKER_METRICS_PORT", "ORDERBUS_BRIDGE_METRICS_PORT")
    return {name: str(kept_port()) for name in ports}


def environment(parts: dict[str, str], log: Path) -> dict[str, str]:
    """The variables of a system on these parts: its own ports, and a receiver on loopback."""
    return {
        **parts,
        **own_ports(),
        "SECRET_KEY": "a key for tests",
        "AUTH": "open",
        "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        "ORDERBUS_WEBHOOK_OUTGOING_EVENTS": "*",
        "ORDERBUS_PROCESSOR": "none",
        "WEBHOOK_OUTGOING_SECRET": webhooks.new_secret(),
        "LOG": str(log),
    }

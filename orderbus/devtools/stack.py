"""Starts everything on this machine, and stops it in order."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from orderbus import files
from orderbus import settings as settings_module
from orderbus.devtools.dependencies import find
from orderbus.devtools.dependency import Dependency
from orderbus.devtools.processes import Process, Sink, ask, free_port, run, until
from orderbus.devtools.providers import Provider
from orderbus.devtools.replica import replica_of
from orderbus.domain.webhooks import new_secret
from orderbus.settings import QUEUES_IN_MEMORY

#: A replica that the environment names is none of a PostgreSQL that it does not name.
_NO_REPLICA: Final = {"DB_REPLICA_HOST": ""}
#: Whom the processes are for a PostgreSQL that is theirs alone.
_ROLE: Final = "orderbus_app"
Extra = Literal["seed", "replica"]

#: In this order they stop: nothing new comes in before what is under way is finished.
_STOPPED: Final = ("web", "bridge", "workers")


@dataclass
class Stack:
    """A running orderbus: what it runs on, and where its doors are."""

    dependencies: Sequence[Dependency]
    data: Path
    env: dict[str, str]
    urls: dict[str, str]
    sink: Sink
    say: Callable[[str], None]
    processes: dict[str, Process] = field(default_factory=dict)

    async def first_death(self) -> Process:
        """Wait until one of the processes, or one that a dependency runs in, ends by itself.

        Without what is spare the others go on.
        """
        waits = {
            asyncio.create_task(process.wait()): process for process in self._every(spare=False)
        }
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return waits[done.pop()]

    async def start(self, name: str, command: Sequence[str], url: str, **env: str) -> None:
        """Start a process with this Python, and wait until ``url`` answers 2xx."""
        process = self.processes[name] = await Process.start(
            name,
            [sys.executable, *command],
            sink=self.sink,
            env={**self.env, **env},
            cwd=self.data,  # and not where a .env for other dependencies may lie
        )
        await until(lambda: ask("GET", url), process, seconds=60, what=f"The {name} process")

    async def stop(self) -> None:
        """Stop everything in order; all at once where the caller is cancelled meanwhile."""
        stopping = asyncio.create_task(self._stop_in_order())
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError:
            for process in self._every():
                process.begin_to_stop()
            await stopping
            raise

    async def _stop_in_order(self) -> None:
        for name in _STOPPED:
            if name in self.processes:
                await self.processes[name].stop()
        for is_spare in (True, False):  # a replica before its primary, which would wait for it
            stopped = [each for each in self.dependencies if each.is_spare is is_spare]
            await asyncio.gather(*(dependency.stop() for dependency in stopped))
        for process in self.processes.values():
            await process.stop()

    def _every(self, *, spare: bool = True) -> list[Process]:
        needed = [each for each in self.dependencies if spare or not each.is_spare]
        return [
            *self.processes.values(),
            *(process for dependency in needed for process in dependency.processes),
        ]


@asynccontextmanager
async def running_stack(
    data: Path,
    *,
    sink: Sink,
    say: Callable[[str], None],
    provider: Provider | None = None,
    port: int = 0,
    webhook: str | None = None,
    extras: Collection[Extra] = (),
    changes: Mapping[str, str] | None = None,
) -> AsyncIterator[Stack]:
    """Bring everything up, wait until it is ready, and take it down in order at the end.

    ``provider`` provides every dependency. Of the ``extras`` a seed fills an empty catalogue, a
    replica answers reads. ``changes`` are variables for the processes, beside those that the stack
    makes up. Raises ``Misconfigured`` where a dependency cannot be provided, ``Died`` where a
    process does not come up.
    """
    dependencies = find(data, provider=provider)
    if "replica" in extras:
        dependencies.append(replica_of(dependencies))
    for dependency in dependencies:
        say(f"{dependency.name}: {dependency.how}")
    running = Stack(
        dependencies,
        data,
        env={**_made_up(), **(changes or {}), **_NO_REPLICA},
        urls={},
        sink=sink,
        say=say,
    )
    try:
        await _bring_up(running, port or free_port(), webhook, seed="seed" in extras)
        yield running
    finally:
        await running.stop()


async def _bring_up(running: Stack, port: int, webhook: str | None, *, seed: bool) -> None:
    """Start what can start, as soon as it can.

    The dependencies together; the schema while RabbitMQ, which is slow, still starts; the web
    server when the schema is there; workers and bridge when all dependencies are.
    """
    api = f"http://127.0.0.1:{port}"
    worker = f"http://127.0.0.1:{running.env['ORDERBUS_WORKER_METRICS_PORT']}"
    bridge = f"http://127.0.0.1:{running.env['ORDERBUS_BRIDGE_METRICS_PORT']}"
    running.urls |= {"api": api, "docs": f"{api}/docs"}
    async with asyncio.TaskGroup() as group:
        starts = {
            dependency.name: group.create_task(dependency.start(running.sink))
            for dependency in running.dependencies
        }
        if webhook is None:
            webhook = _receive(running, group)
        running.env["WEBHOOK_OUTGOING_URL"] = webhook
        await starts["PostgreSQL"]
        _name_dependencies(running)
        running.say("migrating")
        await _command(running, "migrate")
        if seed:
            await _command(running, "seed", DEBUG="true")
        running.say("starting the web server")
        web = ["-m", "orderbus", "web", "--port", str(port)]
        group.create_task(running.start("web", web, f"{api}/readyz"))
        running.say("waiting for RabbitMQ")
        await asyncio.gather(*starts.values())
        running.say("starting workers and bridge")
        workers = ["-m", "orderbus", "workers", "--processes", "1"]
        group.create_task(running.start("workers", workers, f"{worker}/readyz"))
        if running.env["RABBITMQ_URL"] != QUEUES_IN_MEMORY:  # else it is inside the worker
            back = ["-m", "orderbus", "bridge"]
            group.create_task(running.start("bridge", back, f"{bridge}/readyz"))
            running.urls["bridge_metrics"] = f"{bridge}/metrics"
    running.urls["worker_metrics"] = f"{worker}/metrics"


async def _command(running: Stack, name: str, **env: str) -> None:
    command = [sys.executable, "-m", "orderbus", name]
    await run(name, command, sink=running.sink, env={**running.env, **env}, cwd=running.data)


def _name_dependencies(running: Stack) -> None:
    for dependency in running.dependencies:
        running.env |= dependency.env
        running.urls |= dependency.urls
    running.env |= _two_roles(running)


def _two_roles(running: Stack) -> dict[str, str]:
    """Have processes act as a role that owns nothing, where PostgreSQL is the stack's own.

    Its password is the same each time.
    """
    [postgres] = [each for each in running.dependencies if each.name == "PostgreSQL"]
    if not postgres.processes:  # whose it is decides about its roles
        return {}
    owner, password = postgres.env, postgres.env["DB_PASS"]
    return {
        "DB_OWNER_USER": owner["DB_USER"],
        "DB_OWNER_PASSWORD": password,
        "DB_USER": _ROLE,
        "DB_PASS": hmac.digest(password.encode(), _ROLE.encode(), "sha256").hex(),
    }


def _receive(running: Stack, group: asyncio.TaskGroup) -> str:
    """Start the receiver; returns where it takes webhooks."""
    port = free_port()
    page = running.urls["receiver"] = f"http://127.0.0.1:{port}/"
    command = [str(files.path_of("examples/receive_webhooks.py")), "--port", str(port)]
    secret = running.env["WEBHOOK_OUTGOING_SECRET"]
    group.create_task(running.start("receiver", command, page, WEBHOOK_SECRET=secret))
    return f"{page}webhooks"


def check_settings(changes: Mapping[str, str]) -> None:
    """Pass if the processes will be able to work with the settings; nothing has to run for it.

    ``changes`` as for ``running_stack``. Raises ``Misconfigured``.
    """
    settings_module.load(_env_file=None, **{**_made_up(), **changes})


def _made_up() -> dict[str, str]:
    """Make up what a run needs, and its secrets unless they are given; they end with the run."""
    return {
        "SECRET_KEY": os.environ.get("SECRET_KEY") or secrets.token_urlsafe(32),
        "WEBHOOK_OUTGOING_SECRET": os.environ.get("WEBHOOK_OUTGOING_SECRET") or new_secret(),
        "AUTH": "open",
        "ORDERBUS_OPEN_ON_LOOPBACK": "true",  # the older name, which may be set otherwise outside
        "ORDERBUS_WEB_HOST": "127.0.0.1",
        "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
        "ORDERBUS_WORKER_METRICS_PORT": str(free_port()),
        "ORDERBUS_BRIDGE_METRICS_PORT": str(free_port()),
        # How often Dramatiq's threads look whether they should end; a second each by default.
        "dramatiq_worker_timeout": "100",
        "PYTHONUNBUFFERED": "1",
        **files.IMPORTABLE,
    }


def first_error(error: BaseException) -> BaseException:
    """Find what went wrong first in a group of errors that one caused."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

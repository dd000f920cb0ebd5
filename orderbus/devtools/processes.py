"""Starts processes, none of which outlives its starter, and asks them whether they are there."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from orderbus import waiting
from orderbus.devtools.folders import kept_open
from orderbus.domain import retries
from orderbus.domain.text import printable
from orderbus.errors import Died, Unavailable

Sink = Callable[[str, str], None]

#: How long any answer of a process may take.
_PATIENCE: Final = aiohttp.ClientTimeout(total=10)
#: What any HTTP server answers.
HTTP_GREETING: Final = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_SUPERVISOR: Final = str(Path(__file__).with_name("supervisor.py"))

#: Below those that systems give to outgoing connections: one of these would sooner or later sit on
#: the port of a dependency that is being restarted. Each process begins somewhere else.
_PORTS: Final = range(20_000, 32_000)
_ports: Final = itertools.count(os.getpid() * 37)


class Process:
    """A supervised process: it ends when told to, and when its starter dies."""

    def __init__(self, name: str, supervisor: asyncio.subprocess.Process, sink: Sink) -> None:
        """Use ``start``."""
        self.name = name
        self._supervisor = supervisor
        self._reading = asyncio.create_task(self._read(sink))

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        sink: Sink,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str = "-",
        stop_signal: int = signal.SIGTERM,
        grace: float = 30.0,
    ) -> Process:
        """Start ``command`` as ``name``; each line it prints goes to ``sink(name, line)``."""
        supervisor = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", _SUPERVISOR, str(int(stop_signal)), str(grace), user),
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            pass_fds=kept_open.get(),
            start_new_session=True,
        )
        return cls(name, supervisor, sink)

    @property
    def code(self) -> int | None:
        """The exit code, or None while the process runs."""
        return self._supervisor.returncode

    async def wait(self) -> int:
        """Wait until the process ends; returns its exit code."""
        return await self._supervisor.wait()

    def begin_to_stop(self) -> None:
        """Ask the process to stop; it is killed where it does not within its grace."""
        if self._supervisor.stdin is not None:
            self._supervisor.stdin.close()

    async def stop(self) -> None:
        """Ask the process to stop, and wait until it did."""
        self.begin_to_stop()
        await self._supervisor.wait()
        await self._reading

    async def _read(self, sink: Sink) -> None:
        assert self._supervisor.stdout is not None  # noqa: S101 - it was asked for
        while line := await _line(self._supervisor.stdout):
            text = line.decode("utf-8", "replace").expandtabs().rstrip()
            sink(self.name, printable(text))


async def _line(stream: asyncio.StreamReader) -> bytes:
    """Read a line, or as much of it as the buffer holds, or what is left at the end."""
    try:
        return await stream.readuntil()
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.readexactly(error.consumed)


async def run(name: str, command: Sequence[str], **options: Any) -> None:  # noqa: ANN401
    """Run ``command`` to its end, with ``Process.start``'s options; raises ``Died`` if it fails."""
    process = await Process.start(name, command, **options)
    try:
        code = await process.wait()
    finally:
        await process.stop()
    if code != 0:
        raise Died(f"{name} failed with code {code}")


async def until(
    works: Callable[[], Awaitable[object]], process: Process, *, seconds: float, what: str
) -> None:
    """Wait until the coroutine ``works()`` makes does not raise; raises ``Died`` otherwise."""

    async def attempt() -> None:
        if process.code is not None:
            raise Died(f"{process.name} ended with code {process.code}")
        try:
            await works()
        except Exception as error:  # whatever it is, it is not ready yet
            raise Unavailable(what) from error

    try:
        await waiting.until_it_works(attempt, retries.STARTED, within=timedelta(seconds=seconds))
    except Unavailable as error:
        raise Died(f"{what} was not ready within {seconds:.0f} s") from error


async def speaks(port: int, greeting: bytes = b"") -> None:
    """Return if a server takes a connection, and answers ``greeting`` where it is one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if greeting:
            writer.write(greeting)
            async with asyncio.timeout(2):
                await reader.readexactly(1)
    finally:
        writer.close()


async def ask(method: str, url: str, body: object = None, *, status: int | None = None) -> str:
    """Send JSON, or nothing, to a process of this machine; returns the text of its answer.

    Raises ``Died`` where that is no success, or has another ``status`` than is wanted, and
    whatever keeps it from answering.
    """
    async with (
        aiohttp.ClientSession(timeout=_PATIENCE) as session,
        session.request(method, url, json=body) as answer,
    ):
        text = await answer.text()
        if not (answer.ok if status is None else answer.status == status):
            raise Died(f"{method} {url} was answered with {answer.status}: {text}")
        return text


def free_port() -> int:
    """Find a port on the loopback address that nobody uses now; each call finds another."""
    while True:
        port = _PORTS[next(_ports) % len(_PORTS)]
        with socket.socket() as listening, suppress(OSError):
            listening.bind(("127.0.0.1", port))
            return port


def is_free(port: int) -> bool:
    """Say whether a server could listen on ``port`` of the loopback address."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True

"""What `doctor` finds about RabbitMQ and its queues."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from orderbus import actors
from orderbus.commands.findings import Finding, Verdict
from orderbus.devtools import rabbitmq
from orderbus.rabbitmq.broker import Broker
from orderbus.rabbitmq.diagnostics import Examined, examine, longest_held
from orderbus.settings import Settings

_Examinations = dict[str, tuple[Callable[[], Awaitable[Finding]], str]]

#: The oldest version whose quorum queues count deliveries as we rely on.
_OLDEST: Final = (3, 10)
#: What RabbitMQ has unless somebody changed it.
_USUAL_TIMEOUT: Final = timedelta(minutes=30)
_AWAY: Final = "check RABBITMQ_URL and that the broker runs"


def examinations(settings: Settings) -> _Examinations:
    """Name what is looked at, and what to type where RabbitMQ does not answer."""
    if settings.queues_in_memory:
        return {"RabbitMQ": (_in_memory, "")}
    examined = _Rabbitmq()
    return {
        "RabbitMQ": (examined.server, _AWAY),
        "queues": (examined.queues, _AWAY),
        "consumer_timeout": (examined.consumer_timeout, _AWAY),
    }


async def _in_memory() -> Finding:
    found = "none: queues and bridge are inside the one worker, which cannot be scaled"
    return Finding("RabbitMQ", Verdict.WARNING, found, "set RABBITMQ_URL beyond one machine")


class _Rabbitmq:
    def __init__(self) -> None:
        self._asking: asyncio.Task[Examined] | None = None

    async def server(self) -> Finding:
        examined = await self._examined()
        if examined.has_alarm:
            found = f"{examined.version}, takes nothing: it has a memory or disk alarm"
            todo = "free memory or disk on its machine; rabbitmq-diagnostics alarms tells which"
            return Finding("RabbitMQ", Verdict.FAULT, found, todo)
        if _number(examined.version) < _OLDEST:
            found = f"{examined.version} is older than 3.10"
            return Finding("RabbitMQ", Verdict.FAULT, found, "upgrade RabbitMQ")
        return Finding("RabbitMQ", Verdict.OK, f"{examined.version}, no alarm")

    async def queues(self) -> Finding:
        queues = (await self._examined()).queues
        missing = [queue.name for queue in queues if not queue.is_there]
        different = [queue for queue in queues if queue.differs]
        if different:
            names = ", ".join(queue.name for queue in different)
            found = f"not as we make them: {names} ({different[0].differs})"
            todo = "stop the workers and delete these queues: they hold wake-up messages only"
            return Finding("queues", Verdict.FAULT, found, todo)
        if missing:
            found = f"not there yet: {', '.join(missing)}"
            return Finding("queues", Verdict.WARNING, found, "start a worker, which makes them")
        counts = ", ".join(f"{queue.name} {queue.waiting}" for queue in queues if queue.waiting)
        if not any(queue.workers for queue in queues):
            found = f"quorum queues, and no worker takes from them; waiting: {counts or 'nothing'}"
            return Finding("queues", Verdict.WARNING, found, "dramatiq orderbus.actors")
        return Finding("queues", Verdict.OK, f"quorum queues; waiting: {counts or 'nothing'}")

    async def consumer_timeout(self) -> Finding:
        """Ask the broker's own command: RabbitMQ tells it to no client."""
        await self._examined()
        held = longest_held(actors.broker.broker)
        need = f"a worker holds a message for {held.total_seconds():.0f} s at most"
        ask = "rabbitmqctl eval 'application:get_env(rabbit, consumer_timeout).'"
        timeout = None
        for command in rabbitmq.controls():
            timeout = timeout or await _timeout_by(command)
        if timeout is None:
            found = f"{need}; RabbitMQ's usual limit is {_USUAL_TIMEOUT.total_seconds():.0f} s"
            return Finding("consumer_timeout", Verdict.OK, found, f"on its machine: {ask}")
        if timeout <= held:
            found = f"{timeout.total_seconds():.0f} s, but {need}"
            return Finding("consumer_timeout", Verdict.FAULT, found, "raise it in rabbitmq.conf")
        return Finding("consumer_timeout", Verdict.OK, f"{timeout.total_seconds():.0f} s; {need}")

    async def _examined(self) -> Examined:
        broker = actors.broker.broker
        assert isinstance(broker, Broker)  # noqa: S101 - see examinations
        if self._asking is None:
            asking = asyncio.to_thread(examine, broker)
            self._asking = asyncio.create_task(asking)
        return await asyncio.shield(self._asking)


async def _timeout_by(command: str) -> timedelta | None:
    asking = await asyncio.create_subprocess_exec(
        *(command, "--quiet", "eval", "application:get_env(rabbit, consumer_timeout)."),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(10):
            out, _ = await asking.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            asking.kill()
        return None
    match = re.search(rb"\{ok,\s*(\d+)\}", out)
    return timedelta(milliseconds=int(match[1])) if match else None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])

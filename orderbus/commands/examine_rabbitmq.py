"""What `doctor` finds about RabbitMQ and its queues."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from functools import partial
from subprocess import DEVNULL, TimeoutExpired, run
from typing import TYPE_CHECKING, Final

from orderbus import actors, services
from orderbus.commands.findings import Examinations, Finding, fault, ok, warning
from orderbus.devtools import rabbitmq
from orderbus.rabbitmq import broker as rabbitmq_broker
from orderbus.rabbitmq import diagnostics

if TYPE_CHECKING:
    from orderbus.settings import Settings

#: The oldest version whose quorum queues count deliveries as we rely on.
_OLDEST: Final = (3, 10)
#: What RabbitMQ has unless somebody changed it.
_USUAL_TIMEOUT: Final = timedelta(minutes=30)
_AWAY: Final = "check RABBITMQ_URL and that the broker runs"


def examinations(settings: Settings) -> Examinations:
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
    return warning("RabbitMQ", found, "set RABBITMQ_URL beyond one machine")


class _Rabbitmq:
    def __init__(self) -> None:
        broker = actors.broker.broker
        assert isinstance(broker, rabbitmq_broker.Broker)  # noqa: S101 - see examinations
        examine = partial(asyncio.to_thread, diagnostics.examine, broker)
        self._examined = services.shared.Shared(examine).get

    async def server(self) -> Finding:
        examined = await self._examined()
        if examined.has_alarm:
            found = f"{examined.version}, takes nothing: it has a memory or disk alarm"
            todo = "free memory or disk on its machine; rabbitmq-diagnostics alarms tells which"
            return fault("RabbitMQ", found, todo)
        if tuple(map(int, re.findall(r"\d+", examined.version)[:2])) < _OLDEST:
            found = f"{examined.version} is older than 3.10"
            return fault("RabbitMQ", found, "upgrade RabbitMQ")
        return ok("RabbitMQ", f"{examined.version}, no alarm")

    async def queues(self) -> Finding:
        queues = (await self._examined()).queues
        missing = [queue.name for queue in queues if not queue.is_there]
        different = [queue for queue in queues if queue.differs]
        if different:
            names = ", ".join(queue.name for queue in different)
            found = f"not as we make them: {names} ({different[0].differs})"
            todo = "stop the workers and delete these queues: they hold wake-up messages only"
            return fault("queues", found, todo)
        if missing:
            found = f"not there yet: {', '.join(missing)}"
            return warning("queues", found, "start a worker, which makes them")
        counts = ", ".join(f"{queue.name} {queue.waiting}" for queue in queues if queue.waiting)
        if not any(queue.workers for queue in queues):
            found = f"quorum queues, and no worker takes from them; waiting: {counts or 'nothing'}"
            return warning("queues", found, "dramatiq orderbus.actors")
        return ok("queues", f"quorum queues; waiting: {counts or 'nothing'}")

    async def consumer_timeout(self) -> Finding:
        """Ask the broker's own command: RabbitMQ tells it to no client."""
        await self._examined()
        held = diagnostics.longest_held(actors.broker.broker)
        need = f"a worker holds a message for {held.total_seconds():.0f} s at most"
        ask = "rabbitmqctl eval 'application:get_env(rabbit, consumer_timeout).'"
        timeout: timedelta | None = None
        for command in rabbitmq.controls():
            timeout = timeout or await asyncio.to_thread(_timeout_by, command)
        if timeout is None:
            found = f"{need}; RabbitMQ's usual limit is {_USUAL_TIMEOUT.total_seconds():.0f} s"
            return ok("consumer_timeout", found, f"on its machine: {ask}")
        if timeout <= held:
            found = f"{timeout.total_seconds():.0f} s, but {need}"
            return fault("consumer_timeout", found, "raise it in rabbitmq.conf")
        return ok("consumer_timeout", f"{timeout.total_seconds():.0f} s; {need}")


def _timeout_by(command: str) -> timedelta | None:
    asked = (command, "--quiet", "eval", "application:get_env(rabbit, consumer_timeout).")
    try:
        done = run(asked, stdin=DEVNULL, capture_output=True, check=False, timeout=30)  # noqa: S603 - fixed
    except (OSError, TimeoutExpired):
        return None
    match = re.search(rb"\{ok,\s*(\d+)\}", done.stdout)
    return timedelta(milliseconds=int(match[1])) if match else None

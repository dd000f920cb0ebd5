"""The broker of this process: RabbitMQ, or queues in memory, with what a worker needs around it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import dramatiq
from dramatiq import Middleware
from dramatiq.errors import ActorNotFound
from dramatiq.middleware import ShutdownNotifications, TimeLimit

from orderbus import settings as settings_module
from orderbus.errors import Conflict, Misconfigured
from orderbus.rabbitmq.broker import Broker
from orderbus.rabbitmq.memory_broker import MemoryBroker
from orderbus.worker.event_loop import Loop
from orderbus.worker.retries import Retries

#: How much has to become due of one kind of work for one more process to be woken up.
DUE_FOR_EACH: Final = 50


def _choose() -> Broker | MemoryBroker:
    """Take the queues that the settings name; settings that cannot be read are told at boot."""
    # ``startup`` adds what begins and ends the worker.
    middleware: list[Middleware] = [Loop(), TimeLimit(), ShutdownNotifications(), Retries()]
    with suppress(Misconfigured):
        if settings_module.load().queues_in_memory:
            return MemoryBroker(middleware)
    return Broker(middleware=middleware)


broker: Final = _choose()
dramatiq.set_broker(broker)


async def wake_up(due: Mapping[str, int]) -> None:
    """Wake up as many processes as the work that became due, counted by actor, keeps at work.

    Some may be woken up where it raises ``Unavailable``.
    """
    await broker.put(
        [
            broker.get_actor(name).message()
            for name, count in due.items()
            for _ in range(-(-count // DUE_FOR_EACH))
        ]
    )


async def enqueue_message(actor: str, arguments: Mapping[str, Any]) -> None:
    """Send a message anew that failed for good; raises ``Conflict`` where its actor is no more."""
    try:
        found = broker.get_actor(actor)
    except ActorNotFound as error:
        raise Conflict(f"There is no actor {actor}") from error
    message = found.message_with_options(args=arguments["args"], kwargs=arguments["kwargs"])
    await broker.put([message])


ping: Final = broker.ping

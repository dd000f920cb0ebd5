"""The registry of consumers; ``README.md`` beside this says what one is, and how to add one."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import dramatiq

from orderbus import services
from orderbus.actors.broker import broker
from orderbus.domain.events import check_pattern
from orderbus.errors import Invalid, Misconfigured
from orderbus.services.consumptions import LEASE, OnDeadLetter, Prepare, Work
from orderbus.settings import Settings
from orderbus.worker import lifecycle

#: Milliseconds: the lease must not end before the work does.
_TIME_LIMIT: Final = int(LEASE.total_seconds() * 1000) - 10_000


@dataclass(frozen=True, slots=True)
class Consumer:
    """One kind of work: its name, a pattern of the types of events it wants, and what it does."""

    name: str
    pattern: str
    work: Work


_registered: Final[dict[str, Consumer]] = {}


def consumer(
    events: str,
    *,
    prepare: Prepare | None = None,
    on_dead_letter: OnDeadLetter | None = None,
    give_up: OnDeadLetter | None = None,
) -> Callable[[Callable[..., Awaitable[None]]], dramatiq.Actor[..., Any]]:
    """Make an actor of a function that consumes events whose type fits ``events``.

    A ``*`` stands for one or more words between dots: ``order.*``, ``*.created``, ``*``. For
    ``prepare`` and ``on_dead_letter`` see ``Work``; ``give_up`` is the old name of the latter.
    Raises ``Invalid`` for a pattern that is none, ``ValueError`` for a name that is taken.
    """
    check_pattern(events)

    def register(effect: Callable[..., Awaitable[None]]) -> dramatiq.Actor[..., Any]:
        name = effect.__name__
        work = Work(effect, prepare, on_dead_letter or give_up)

        async def consume(consumption: int, **_of_later_versions: object) -> None:
            await services.consumptions.consume(lifecycle.resources(), name, consumption, work)

        consume.__doc__ = effect.__doc__
        declare = dramatiq.actor(
            actor_name=name, queue_name=name, broker=broker, time_limit=_TIME_LIMIT, max_retries=3
        )
        actor = declare(consume)
        _registered[name] = Consumer(name, events, work)
        return actor

    return register


def installed(settings: Settings) -> Sequence[Consumer]:
    """List the consumers, with those that the settings name; raises ``Misconfigured``."""
    for module in settings.consumers:
        try:
            importlib.import_module(module)
        except (ImportError, Invalid, ValueError) as error:
            message = f"ORDERBUS_CONSUMERS names {module}, which cannot be had: {error}"
            raise Misconfigured(message) from error
    return tuple(_registered.values())


async def enqueue(consumptions: Mapping[str, Sequence[int]]) -> None:
    """Send wake-up messages, by consumer; some may be sent where it raises ``Unavailable``."""
    pairs = [(name, each) for name, ids in consumptions.items() for each in ids]
    await broker.put([broker.get_actor(name).message(each) for name, each in pairs])

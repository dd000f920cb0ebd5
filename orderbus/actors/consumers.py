"""The registry of consumers; ``README.md`` beside this says what one is, and how to add one."""

from __future__ import annotations

import importlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import dramatiq

from orderbus.actors.broker import broker
from orderbus.domain.events import check_pattern
from orderbus.errors import Invalid, Misconfigured
from orderbus.services.consumptions import Begin, OnDeadLetter, Prepare, Work
from orderbus.settings import Settings
from orderbus.worker import lifecycle


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
    together: bool = False,
    begin: Begin | None = None,
    prepare: Prepare | None = None,
    on_dead_letter: OnDeadLetter | None = None,
    give_up: OnDeadLetter | None = None,
) -> Callable[[Callable[..., Awaitable[None]]], dramatiq.Actor[..., Any]]:
    """Make an actor of a function that consumes events whose type fits ``events``.

    A ``*`` stands for one or more words between dots: ``order.*``, ``*.created``, ``*``. For
    the others see ``Work``; ``give_up`` is the old name of ``on_dead_letter``. The actor wakes a
    process up, with or without the consumption that messages named before ``0016``.
    Raises ``Invalid`` for a pattern that is none, ``ValueError`` for a name that is taken.
    """
    check_pattern(events)

    def register(effect: Callable[..., Awaitable[None]]) -> dramatiq.Actor[..., Any]:
        name = effect.__name__
        if not re.fullmatch("[a-z_]{1,100}", name):
            raise ValueError(f"A consumer's name is of small letters and _, {name} is not")
        work = Work(effect, prepare, on_dead_letter or give_up, together, begin)

        async def consume(consumption: int | None = None, **_: object) -> None:  # noqa: ARG001
            lifecycle.wake(name)

        consume.__doc__ = effect.__doc__
        declare = dramatiq.actor(
            actor_name=name, queue_name=name, broker=broker, time_limit=10_000, max_retries=3
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

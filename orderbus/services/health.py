"""Whether a process can do its work: decided here, and served by web, workers and bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from orderbus import storage, telemetry
from orderbus.errors import OrderbusError, Unavailable
from orderbus.storage.database import Database

#: What is answered of each dependency that fails. Its own words go to the log alone.
SENTENCES: Final = {
    "postgres": "PostgreSQL does not answer, or refuses us",
    "schema": "The schema is missing or older than this version: run `orderbus migrate`",
    "partitions": "Today's partition is missing: run `orderbus migrate`",
    "rabbitmq": "RabbitMQ does not answer",
    "pubsub": "Pub/Sub does not answer, or takes nothing",
    "replica": "The replica does not answer, or is behind: the primary answers what it would",
}
#: What PostgreSQL is asked for, and what can be said only while it answers.
POSTGRES: Final = ("postgres", "schema", "partitions")

#: What a process can do its work without.
SPARE: Final = frozenset(("replica",))

#: Seconds between two questions, and how long a dependency has to answer.
_INTERVAL: Final = 1.0
_PATIENCE: Final = 10.0
#: A process of a worker that reported nothing for so long is taken for dead.
SILENCE: Final = timedelta(seconds=5)

#: Why each dependency that was asked fails; None where it does not.
Found = Mapping[str, Exception | None]
#: Asks for one dependency, or finds several.
Ask = Callable[[], Awaitable[Found | None]]


async def look(database: Database) -> Found:
    """Ask PostgreSQL whether it answers, and then whether it has our schema and room for today."""
    try:
        missing = await database.ask(storage.schema.missing)
    except OrderbusError as error:
        return {"postgres": error}
    return {name: _missing(name) if name in missing else None for name in POSTGRES}


def _missing(name: str) -> Unavailable:
    return Unavailable(SENTENCES[name], dependency=name)


def takes_work(found: Found) -> bool:
    """Whether messages may be taken: without PostgreSQL and its schema none could succeed."""
    return all(found.get(name, _missing(name)) is None for name in ("postgres", "schema"))


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a process can do its work, and whether each dependency is as it has to be."""

    ready: bool
    dependencies: Mapping[str, bool]

    def body(self) -> dict[str, Any]:
        """Write it down for ``/readyz``, with a sentence for each dependency that fails."""
        up = self.dependencies
        body: dict[str, Any] = {"ready": self.ready, "parts": dict(up)}
        asked = up if up.get("postgres", True) else set(up) - set(POSTGRES[1:])
        sentences = [text for name, text in SENTENCES.items() if name in asked and not up[name]]
        return {**body, "detail": "; ".join(sentences)} if sentences else body


def readiness(found: Found) -> Readiness:
    """Judge by what was found just now."""
    up = {name: error is None for name, error in found.items()}
    ready = all(is_up for name, is_up in up.items() if name not in SPARE)
    return Readiness(ready, up)


def together(
    reports: Sequence[tuple[timedelta, Mapping[str, bool]]], *, stopping: bool
) -> Readiness:
    """Judge several processes, each by what it reported and how long ago: all have to be ready."""
    up: dict[str, bool] = {}
    ready = bool(reports) and not stopping
    for age, dependencies in reports:
        fresh = age < SILENCE
        ready = ready and fresh and bool(dependencies) and all(dependencies.values())
        for name, is_up in dependencies.items():
            up[name] = up.get(name, True) and is_up and fresh
    return Readiness(ready, up)


class Health:
    """Remembers of each dependency whether it answered when it was last asked."""

    def __init__(self, *dependencies: str) -> None:
        self._up: dict[str, bool | None] = dict.fromkeys(dependencies)  # None: not asked as yet

    async def watch(self, name: str, ask: Ask, *, every: float = _INTERVAL) -> None:
        """Ask once a second, or ``every`` so many, for ever."""
        while True:
            found: Found
            try:
                async with asyncio.timeout(_PATIENCE):
                    found = await ask() or {name: None}
            except Exception as error:  # noqa: BLE001 - a door: it is asked again all the same
                found = {name: error}
            self.found(found)
            await asyncio.sleep(every)

    def found(self, found: Found) -> None:
        """Note how several answered."""
        for name, error in found.items():
            self.saw(name, error)

    def heard(self, name: str, *, up: bool) -> None:
        """Note whether one answered, where nobody knows why not."""
        self.saw(name, None if up else _missing(name))

    def saw(self, name: str, error: Exception | None) -> None:
        """Note how one answered just now; a change is logged once."""
        was_up, self._up[name] = self._up[name], error is None
        if error is None and was_up is False:
            telemetry.log.info("part_back", part=name)
        elif error is not None and was_up is not False:
            ours = isinstance(error, OrderbusError | TimeoutError)
            telemetry.log.warning(
                "part_away",
                part=name,
                error=str(error) or "it was silent",
                exc_info=None if ours else error,
            )

    @property
    def readiness(self) -> Readiness:
        """Judge by the last answers."""
        up = {name: is_up is True for name, is_up in self._up.items()}
        return Readiness(all(up.values()), up)

"""Whether a process can do its work: which parts answer, and are as this version needs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from orderbus import storage, telemetry
from orderbus.errors import OrderbusError, Unavailable
from orderbus.storage.database import Database

#: What is said of each part that fails. A neighbour's own words go to the log alone.
SENTENCES: Final = {
    "postgres": "PostgreSQL does not answer, or refuses us",
    "schema": "The schema is missing or older than this version: run `orderbus migrate`",
    "partitions": "Today's partition is missing: run `orderbus migrate`",
    "rabbitmq": "RabbitMQ does not answer",
    "pubsub": "Pub/Sub does not answer, or takes nothing",
}
#: What PostgreSQL is asked for, and what can be said only while it answers.
POSTGRES: Final = ("postgres", "schema", "partitions")

#: Why each part that was asked for fails; None where it does not.
Found = Mapping[str, OrderbusError | None]


async def look(database: Database) -> Found:
    """Ask PostgreSQL whether it answers, has our schema and room for today; raises none of ours.

    While it is away nothing is known of the other two, so they are left out.
    """
    try:
        async with database.connection() as connection:
            level = await storage.schema.level(connection)
    except OrderbusError as error:
        return {"postgres": error}
    return {
        "postgres": None,
        "schema": None if level.is_new_enough else _missing("schema"),
        "partitions": None if level.has_today else _missing("partitions"),
    }


def _missing(part: str) -> Unavailable:
    return Unavailable(SENTENCES[part], dependency=part)


def readiness(parts: Mapping[str, bool], *, ready: bool) -> dict[str, Any]:
    """Write down for ``/readyz`` which parts answer, and a sentence for each that does not."""
    body: dict[str, Any] = {"ready": ready, "parts": dict(parts)}
    asked = parts if parts.get("postgres", True) else set(parts) - set(POSTGRES[1:])
    sentences = [
        sentence for part, sentence in SENTENCES.items() if part in asked and not parts[part]
    ]
    return {**body, "detail": "; ".join(sentences)} if sentences else body


class Health:
    """Remembers of each part whether it answered when it was last asked."""

    def __init__(self, *parts: str) -> None:
        """Nothing is known of any part until it was seen."""
        self._parts: dict[str, bool | None] = dict.fromkeys(parts)

    def saw(self, part: str, *, up: bool, why: object = "") -> None:
        """Note how a part answered just now; a change is logged once."""
        was_up, self._parts[part] = self._parts[part], up
        if up and was_up is False:
            telemetry.log.info("part_back", part=part)
        if not up and was_up is not False:
            telemetry.log.warning("part_away", part=part, error=str(why))

    def found(self, found: Found) -> None:
        """Note how several answered."""
        for part, error in found.items():
            self.saw(part, up=error is None, why=error)

    @property
    def parts(self) -> dict[str, bool]:
        """Each part and whether it answers."""
        return {part: up is True for part, up in self._parts.items()}

    @property
    def ready(self) -> bool:
        """Whether every part answers."""
        return all(self.parts.values())

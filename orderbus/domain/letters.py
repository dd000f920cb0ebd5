"""Which dead letters somebody means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

Kind = Literal["delivery", "outbox", "pubsub", "message", "consumption"]
KINDS: Final = ("delivery", "outbox", "pubsub", "message", "consumption")

#: What letters of one group have in common.
OF_A_GROUP: Final = ("kind", "endpoint_id", "subject", "reason", "error")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which open dead letters: all that fit everything that is given.

    ``subject`` is the actor, the consumer or the event's type; empty: one that has none. ``order``
    is our uuid or the sender's reference. ``error`` is an error as a group has it. ``through`` is
    the newest letter.
    """

    kind: str | None = None
    endpoint_id: UUID | None = None
    order: str | None = None
    subject: str | None = None
    reason: str | None = None
    error: str | None = None
    created_at__gte: datetime | None = None
    created_at__lt: datetime | None = None
    through: int | None = None

    @property
    def is_picky(self) -> bool:
        """Whether what fits may stand far apart."""
        return replace(self, kind=None, through=None) != Filter()

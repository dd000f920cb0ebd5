"""What happened to an order, in the one shape every room hands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

ORDER_CREATED: Final = "order.created"

#: Version of what an event's ``order`` holds; it travels with every event.
SCHEMA_VERSION: Final = "1"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one order.

    ``sequence`` counts an order's events from 1 without a gap, in the order they were committed.
    ``order`` is the whole order as it was then: the members of the accepted request
    (``order_id``, ``customer``, ``items``, ``shipping_address``, ``total``; money as strings with
    two decimals) with ``id`` (our uuid), ``source`` and ``created_at`` (RFC 3339, UTC).
    """

    id: UUID
    type: str
    sequence: int
    occurred_at: datetime
    order_id: UUID
    order: Mapping[str, Any]
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a Pub/Sub message says of an event: enough to find it, since PostgreSQL has the rest."""

    event_id: UUID
    occurred_at: datetime


def rfc3339(moment: datetime) -> str:
    """Write an aware UTC moment as RFC 3339 with microseconds and ``Z``."""
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"

"""What happened to an order, in the one shape every room hands on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from orderbus.domain.orders import OrderId
from orderbus.errors import Fault, Invalid

ORDER_CREATED: Final = "order.created"
ORDER_PROCESSED: Final = "order.processed"
CART_CHECKED_OUT: Final = "cart.checked_out"

#: What one wants to hear of: ``*`` stands for one or more words between dots.
_PATTERN: Final = re.compile(r"(\*|[a-z_]+)(\.(\*|[a-z_]+))*")

#: Version of what an event's ``order`` holds; it travels with every event.
SCHEMA_VERSION: Final = "1"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one order, or to the cart that becomes one.

    ``sequence`` counts an order's events from 1 without a gap, in the order they were committed.
    ``order`` is the whole order as it was then: the members of the accepted request
    (``order_id``, ``customer``, ``items``, ``shipping_address``, ``total``; money as strings with
    two decimals) with ``id`` (our uuid), ``source``, ``status`` and ``created_at`` (RFC 3339, UTC).
    ``cart.checked_out`` carries the order that the cart becomes, and the cart's own uuid as id.
    """

    id: UUID
    type: str
    sequence: int
    occurred_at: datetime
    order_id: OrderId
    order: Mapping[str, Any]
    traceparent: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a Pub/Sub message says of an event: enough to find it, since PostgreSQL has the rest.

    ``external_ref`` is the reference of the event's order, if the message names one.
    """

    event_id: UUID
    occurred_at: datetime
    external_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Numbered:
    """An announced event, with its order and its number there, as a message has them."""

    event_id: UUID
    occurred_at: datetime
    order_id: UUID
    sequence: int
    external_ref: str | None


def rfc3339(moment: datetime) -> str:
    """Write an aware UTC moment as RFC 3339 with microseconds and ``Z``."""
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def check_pattern(pattern: str) -> None:
    """Pass if ``pattern`` can fit types of events; raises ``Invalid``.

    The database says which types fit one: ``ops.fits``.
    """
    if not _PATTERN.fullmatch(pattern):
        message = f"{pattern!r} is no pattern of event types: order.created, order.*, *.created, *"
        raise Invalid(message, [Fault("/events", "pattern", message)])

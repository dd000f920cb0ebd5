"""What a Pub/Sub message holds.

The data has the five members the source document asks for. Everything else travels in attributes,
named as CloudEvents names them (https://cloudevents.io, Pub/Sub protocol binding).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from orderbus.domain import json
from orderbus.domain.events import SCHEMA_VERSION, Announcement, Event, rfc3339
from orderbus.domain.text import brief
from orderbus.errors import Invalid, Poisoned

SOURCE: Final = "/orderbus"
#: Bytes of data that are looked into; what we publish has a few hundred, 4 KB at most.
LARGEST_DATA: Final = 65_536
#: Characters of an order's reference; what is longer is not ours.
_LONGEST_REFERENCE: Final = 255


@dataclass(frozen=True, slots=True)
class Message:
    """What is published: bytes and attributes."""

    data: bytes
    attributes: Mapping[str, str]


def encode(event: Event) -> Message:
    """Announce an event; equal events give equal messages.

    Raises ``Poisoned`` where the event's order lacks what an announcement needs.
    """
    attributes = {
        "ce-id": str(event.id),
        "ce-type": event.type,
        "ce-source": SOURCE,
        "ce-specversion": "1.0",
        "ce-time": rfc3339(event.occurred_at),
        "ce-subject": str(event.order_id),
        "sequence": str(event.sequence),
        "schema-version": SCHEMA_VERSION,
    }
    caused_by = {"traceparent": event.traceparent, "request-id": event.request_id}
    attributes |= {name: value for name, value in caused_by.items() if value is not None}
    return Message(_data(event), attributes)


def _data(event: Event) -> bytes:
    try:
        members = {
            "event": event.type,
            "order_id": event.order["order_id"],
            "customer_name": event.order["customer"]["name"],
            "total": event.order["total"],
            "created_at": event.order["created_at"],
        }
        data = json.dumps(members).encode()
    except (LookupError, TypeError, ValueError) as error:
        raise _unencodable(event, repr(error)) from error
    if None in members.values():
        raise _unencodable(event, "a member is null")
    return data


def _unencodable(event: Event, why: str) -> Poisoned:
    message = f"Event {event.id} cannot be announced: {why} in its order"
    return Poisoned(message, reason="unencodable")


def decode(data: bytes, attributes: Mapping[str, str]) -> Announcement:
    """Read which event a message announces; raises ``Poisoned`` where it is not one of ours."""
    if len(data) > LARGEST_DATA:
        raise _undecodable(f"The data is {len(data)} bytes; {LARGEST_DATA} are allowed")
    try:
        members = json.loads(data)
    except Invalid as error:
        raise _undecodable(f"The data is {error.faults[0].detail}") from error
    if not isinstance(members, dict) or "event" not in members:
        raise _undecodable("The data is not an object with the member event")
    try:
        event_id = UUID(attributes["ce-id"])
        occurred_at = datetime.fromisoformat(attributes["ce-time"])
        if occurred_at.tzinfo is None:
            raise _undecodable("The attribute ce-time has no time zone")
        given = members.get("order_id")
        reference = brief(given, _LONGEST_REFERENCE) if isinstance(given, str) else None
        return Announcement(event_id, occurred_at.astimezone(UTC), external_ref=reference)
    except KeyError as error:
        raise _undecodable(f"The attribute {error} is missing") from error
    except (ValueError, OverflowError) as error:
        raise _undecodable(f"An attribute cannot be read: {brief(str(error))}") from error


def _undecodable(message: str) -> Poisoned:
    return Poisoned(message, reason="undecodable")

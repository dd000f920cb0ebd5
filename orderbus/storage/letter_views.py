"""What is shown of a dead letter: whose order, whose URL, who or what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

#: Whose order and whose URL a ``letter`` is about. Each is looked up for each letter: a join of
#: many would read all deliveries, events and orders that are kept.
ABOUT: Final = """
    LEFT JOIN LATERAL (
         SELECT order_id, endpoint_id FROM ops.webhook_deliveries
          WHERE id = letter.delivery_id
         OFFSET 0) AS delivery ON true
    LEFT JOIN LATERAL (
         SELECT url FROM ops.webhook_endpoints
          WHERE id = delivery.endpoint_id
         OFFSET 0) AS endpoint ON true
    LEFT JOIN LATERAL (
         SELECT order_id, type FROM ops.events
          WHERE occurred_at = letter.occurred_at AND event_id = letter.event_id
         OFFSET 0) AS event ON true
    LEFT JOIN LATERAL (
         SELECT external_ref, public_id FROM orders.orders
          WHERE id = coalesce(delivery.order_id, event.order_id,
                              -- Of a message that Pub/Sub gave up, which says so itself.
                              (SELECT id FROM orders.orders
                                WHERE public_id = ops.order_of_message(letter.attributes)))
         OFFSET 0) AS orders ON true
"""
#: Who or what the letter is about: an actor, a consumer, a type of event.
SUBJECT: Final = "left(coalesce(letter.actor, event.type, letter.attributes ->> 'ce-type'), 100)"


@dataclass(frozen=True, slots=True)
class OpenLetter:
    """A dead letter nobody has decided about, in brief, with whose order and whose URL."""

    id: int
    kind: str
    subject: str | None
    reason: str
    error: str
    external_ref: str | None
    order_id: UUID | None
    endpoint_id: UUID | None
    url: str | None
    delivery_id: int | None
    event_id: UUID | None
    actor: str | None
    message_id: str | None
    created_at: datetime

"""Events as the order services that spoke over RabbitMQ wrote them, byte for byte.

They wrote ``json.dumps`` of plain members: amounts as floats, moments in UTC without saying so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from orderbus.domain.events import ORDER_CREATED, ORDER_PROCESSED, Event
from orderbus.errors import Fault, Invalid

#: There were no others.
EVENTS: Final = (ORDER_CREATED, ORDER_PROCESSED)


def check_events(patterns: Sequence[str]) -> None:
    """Pass if all of ``patterns`` name an event that this format has; raises ``Invalid``."""
    for pattern in patterns:
        if pattern not in EVENTS:
            message = f"The format source1 has no {pattern}: it has {' and '.join(EVENTS)}"
            raise Invalid(message, [Fault("/events", "source1", message)])


def body(event: Event) -> bytes:
    """Write an event's body; whatever is not ``order.processed`` is told as an order."""
    order = event.order
    if event.type == ORDER_PROCESSED:
        processing = order["processing"]
        return _written(
            {
                "order_id": str(event.order_id),
                "status": processing["status"],
                "error_message": processing["error_message"],
                "processed_at": _naive(processing["processed_at"]),
            }
        )
    customer = order["customer"]
    return _written(
        {
            "order_id": str(event.order_id),
            "user_id": customer.get("ref") or customer["email"],
            "products": [
                {"product_id": item["sku"], "quantity": item["quantity"]} for item in order["items"]
            ],
            "amount": float(order["total"]),
            "created_at": _naive(order["created_at"]),
        }
    )


def _written(members: dict[str, object]) -> bytes:
    return json.dumps(members).encode()


def _naive(moment: str) -> str:
    """Write RFC 3339 as a moment that leaves out its time zone, and microseconds that are none."""
    return datetime.fromisoformat(moment).replace(tzinfo=None).isoformat()

"""Orders and events to test with."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from orderbus.domain import orders
from orderbus.domain.events import Event
from orderbus.domain.orders import PlaceOrder

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "order.json"


def order_body(reference: str | None = None, **changes: Any) -> dict[str, Any]:
    """The sample order of the source document, with another reference and other changes."""
    sample = json.loads(SAMPLE.read_text())
    return {**sample, "order_id": reference or f"SO-{uuid4()}", **changes}


def order(reference: str | None = None, **changes: Any) -> PlaceOrder:
    return orders.parse(json.dumps(order_body(reference, **changes)).encode())


def event(sequence: int = 1, **changes: Any) -> Event:
    order_id = UUID("6f2a7c1e-0000-4000-8000-000000000001")
    content = order("SO-10045").content()
    fields: dict[str, Any] = {
        "id": uuid4(),
        "type": "order.created",
        "sequence": sequence,
        "occurred_at": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
        "order_id": order_id,
        "order": {
            "id": str(order_id),
            **content,
            "source": "webhook",
            "created_at": "2026-01-02T03:04:05.678901Z",
        },
    }
    return Event(**{**fields, **changes})

"""The format source1 is, byte for byte, what the order services that spoke over RabbitMQ sent."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from orderbus.domain import source1, webhooks
from orderbus.domain.orders import Customer, Item, PlaceOrder
from orderbus.domain.webhooks import Format
from orderbus.errors import Invalid
from tests.support import samples

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = "6f2a7c1e-0000-4000-8000-000000000001"
ORDER = PlaceOrder(
    source="api",
    external_ref=ID,
    total=Decimal("140.00"),
    items=(
        Item(sku="prod_1", name="prod_1", quantity=2, unit_price=Decimal(0)),
        Item(sku="prod_2", name="prod_2", quantity=1, unit_price=Decimal(0)),
    ),
    customer=Customer(ref="usér"),
)


def body(kind: str, created_at: str = "2026-01-02T03:04:05.678901Z", **more: object) -> bytes:
    order = {"id": ID, **ORDER.content(), "created_at": created_at, **more}
    event = samples.event(type=kind, order=order)
    return webhooks.body(event, Format.SOURCE1, sent_at=NOW)


def test_an_order_that_was_created() -> None:
    assert body("order.created") == (
        b'{"order_id": "6f2a7c1e-0000-4000-8000-000000000001", "user_id": "us\\u00e9r", '
        b'"products": [{"product_id": "prod_1", "quantity": 2}, '
        b'{"product_id": "prod_2", "quantity": 1}], "amount": 140.0, '
        b'"created_at": "2026-01-02T03:04:05.678901"}'
    )


def test_a_moment_without_microseconds_has_none() -> None:
    assert b'"created_at": "2026-01-02T03:04:05"}' in body(
        "order.created", created_at="2026-01-02T03:04:05.000000Z"
    )


@pytest.mark.parametrize(
    ("status", "error", "written"),
    [
        ("SUCCESS", None, b"null"),
        ("FAILED", "Simulated processing failure", b'"Simulated processing failure"'),
    ],
)
def test_an_order_that_was_processed(status: str, error: str | None, written: bytes) -> None:
    processing = {
        "status": status,
        "error_message": error,
        "processed_at": "2026-01-02T03:04:06.000007Z",
        "amount": "140.00",
    }

    assert body("order.processed", processing=processing) == (
        b'{"order_id": "6f2a7c1e-0000-4000-8000-000000000001", "status": "'
        + status.encode()
        + b'", "error_message": '
        + written
        + b', "processed_at": "2026-01-02T03:04:06.000007"}'
    )


def test_who_has_no_name_of_the_senders_is_known_by_email() -> None:
    event = samples.event()

    assert b'"user_id": "jane@example.com"' in webhooks.body(event, Format.SOURCE1, sent_at=NOW)


@pytest.mark.parametrize("pattern", ["order.*", "*", "order.failed", "order.created.*"])
def test_it_has_two_events(pattern: str) -> None:
    source1.check_events(source1.EVENTS)
    with pytest.raises(Invalid, match=r"order\.created and order\.processed"):
        source1.check_events([*source1.EVENTS, pattern])

"""Two orders under one reference: the first one is kept, and that there was another is noted."""

from __future__ import annotations

from orderbus import storage, telemetry
from orderbus.domain.orders import OrderId, PlaceOrder, content_hash
from orderbus.domain.text import brief
from orderbus.errors import OtherContent
from orderbus.storage.conflicts import Answered, Other
from orderbus.storage.database import Database


async def note(
    database: Database, order_id: OrderId, sent: PlaceOrder, *, answered: Answered, actor: str
) -> None:
    """Note that ``sent`` came for an order with another content. Raises ``Unavailable``."""
    other = Other(content_hash(sent.canonical()), sent.total, len(sent.items))
    request_id = telemetry.request_id()
    await database.ask(
        storage.conflicts.note,
        *(order_id, other),
        answered=answered,
        actor=actor,
        request_id=request_id,
    )
    telemetry.log.warning(
        "order_conflict",
        order_id=str(order_id),
        external_ref=sent.external_ref,
        actor=actor,
        answered=answered,
    )


def refusal(order_id: OrderId, external_ref: str) -> OtherContent:
    """Say no to an order whose reference is that of another one."""
    message = f"Order {brief(external_ref)} exists with another content"
    return OtherContent(message, order_id=order_id)

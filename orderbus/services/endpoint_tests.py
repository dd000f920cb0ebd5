"""Whether an endpoint can be reached, and what it makes of one signed sample."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

from orderbus import storage
from orderbus.domain import endpoint_answers, webhooks
from orderbus.domain.events import Event, rfc3339
from orderbus.domain.orders import OrderId
from orderbus.egress import exchange, reachability
from orderbus.egress.session import open_session
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.endpoint_changes import Kept

#: The type of a sample: no event of an order has it, and no pattern of an endpoint asks for it.
TYPE: Final = "webhook.test"
_NOBODY: Final = OrderId(UUID(int=0))


@dataclass(frozen=True, slots=True)
class Tested:
    """What came of a sample: the answer, what it means and what to do about it."""

    id: UUID
    url: str
    webhook_id: UUID
    delivered: bool
    status: int | None
    error: str | None
    detail: str
    seconds: float
    meaning: str
    todo: str


async def check_address(settings: Settings, url: str) -> str | None:
    """Pass if webhooks may go to ``url``; says why none would arrive at this moment, or None.

    Looks its name up, so ask outside of a transaction. Raises ``Invalid`` where the URL is none, or
    where the address filter would refuse every webhook.
    """
    webhooks.check_url(url)
    return await reachability.check(url, settings.webhook_allowed_networks)


async def test(database: Database, settings: Settings, endpoint_id: UUID, *, actor: str) -> Tested:
    """Send an endpoint one signed sample, be it disabled or not, and judge its answer.

    It is no delivery: nothing is owed, counted or tried again. Raises ``NotFound``.
    """
    kept = await database.ask(storage.endpoint_changes.lock, endpoint_id)
    event = _sample(kept.now)
    body = webhooks.body(event, webhooks.Format(kept.format), sent_at=kept.now)
    headers = webhooks.headers(
        event,
        secrets=kept.secrets,
        timestamp=int(datetime.now(UTC).timestamp()),
        body=body,
        own=kept.headers,
        trace=kept.trace,
    )
    async with open_session(settings) as http:
        response = await exchange.post(
            http, kept.url, body=body, headers=headers, deadline=settings.webhook_timeout
        )
    judged = endpoint_answers.judge(response)
    tested = Tested(
        id=endpoint_id,
        url=kept.url,
        webhook_id=event.id,
        delivered=judged.delivered,
        status=response.status,
        error=response.error,
        detail=response.detail,
        seconds=round(response.duration.total_seconds(), 3),
        meaning=judged.meaning,
        todo=judged.todo.replace(" ID", f" {endpoint_id}"),
    )
    await _note(database, kept, tested, actor)
    return tested


async def _note(database: Database, kept: Kept, tested: Tested, actor: str) -> None:
    await database.ask(
        storage.audit.add,
        actor=actor,
        action="endpoint.tested",
        subject_type="endpoint",
        subject_id=kept.id,
        after={"status": tested.status, "error": tested.error},
    )


def _sample(now: datetime) -> Event:
    """Make up an event of an order that nobody placed."""
    ids = secrets.token_hex(24)
    order = {
        "id": str(_NOBODY),
        "order_id": "TEST",
        "customer": {"name": "orderbus test", "email": "test@example.com"},
        "items": [{"sku": "TEST", "name": "Test", "quantity": 1, "unit_price": "0.00"}],
        "shipping_address": "nowhere",
        "total": "0.00",
        "source": "test",
        "status": "created",
        "created_at": rfc3339(now),
    }
    traceparent = f"00-{ids[:32]}-{ids[32:]}-01"
    return Event(uuid4(), TYPE, 0, now, _NOBODY, order, traceparent)

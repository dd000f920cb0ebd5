"""Where is it? What tables and log say of orders that did not arrive, for whoever reads why."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from orderbus.storage.database import Database

#: What the tables say of each event of some orders.
_OF_ORDERS: Final = """
    SELECT orders.external_ref, history.sequence, history.event_id, now() - history.at AS age,
           outbox.due_at, outbox.published_at, outbox.publishes, outbox.lease IS NOT NULL AS leased,
           inbox.received_at, watermarks.sequence AS watermark,
           deliveries.id AS delivery, deliveries.state, deliveries.due_at AS delivery_due_at,
           deliveries.attempts, deliveries.lease IS NOT NULL AS claimed
      FROM orders.orders
      JOIN orders.order_history AS history ON history.order_id = orders.id
      LEFT JOIN ops.outbox USING (event_id)
      LEFT JOIN ops.inbox USING (event_id)
      LEFT JOIN ops.watermarks ON watermarks.order_id = orders.id
      LEFT JOIN ops.webhook_deliveries AS deliveries ON deliveries.event_id = history.event_id
     WHERE orders.external_ref = ANY ($1)
     ORDER BY orders.id, history.sequence
"""


async def whereabouts(database: Database, log: Path, references: set[str]) -> list[str]:
    """Tell what the tables and the log say of these orders."""
    async with database.connection() as connection:
        rows = await connection.fetch(_OF_ORDERS, list(references))
    names = [*references, *(str(row["event_id"]) for row in rows), '"warning"', '"error"']
    said = [line for line in log.read_text().splitlines() if any(name in line for name in names)]
    return [*(str(dict(row)) for row in rows), *said[-500:]]

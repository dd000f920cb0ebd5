"""Work after the answer: ``dramatiq orderbus.actors`` runs it."""

from orderbus.actors import folder  # first: it names where the metrics of a worker are kept

# isort: split

from orderbus.actors import (
    bridge,
    broker,
    consumers,
    count_event,
    create_order,
    deliver_webhook,
    process_order,
    publish_outbox,
)

__all__ = [
    "bridge",
    "broker",
    "consumers",
    "count_event",
    "create_order",
    "deliver_webhook",
    "folder",
    "process_order",
    "publish_outbox",
]

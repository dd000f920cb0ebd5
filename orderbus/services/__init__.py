"""What is decided: each write is one transaction. Services are handed what they touch."""

from orderbus.services import (
    api_keys,
    bridge,
    carts,
    consumptions,
    dead_letters,
    deliveries,
    endpoints,
    health,
    lost_events,
    maintenance,
    orders,
    outbox,
    processing,
    replay,
    retention,
)

__all__ = [
    "api_keys",
    "bridge",
    "carts",
    "consumptions",
    "dead_letters",
    "deliveries",
    "endpoints",
    "health",
    "lost_events",
    "maintenance",
    "orders",
    "outbox",
    "processing",
    "replay",
    "retention",
]

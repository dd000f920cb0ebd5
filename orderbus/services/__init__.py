"""What is decided: each write is one transaction. Services are handed what they touch."""

from orderbus.services import (
    bridge,
    carts,
    consumption,
    dead_letters,
    delivery,
    endpoints,
    health,
    ingress,
    keys,
    orders,
    processing,
    relay,
    replay,
    retention,
    upkeep,
)

__all__ = [
    "bridge",
    "carts",
    "consumption",
    "dead_letters",
    "delivery",
    "endpoints",
    "health",
    "ingress",
    "keys",
    "orders",
    "processing",
    "relay",
    "replay",
    "retention",
    "upkeep",
]

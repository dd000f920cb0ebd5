"""What is decided: each write is one transaction. Services are handed what they touch."""

from orderbus.services import (
    bridge,
    dead_letters,
    delivery,
    ingress,
    keys,
    orders,
    relay,
    upkeep,
)

__all__ = ["bridge", "dead_letters", "delivery", "ingress", "keys", "orders", "relay", "upkeep"]

"""What is kept: all SQL and all of asyncpg. Functions take a connection and return plain values."""

from orderbus.storage import (
    api_keys,
    database,
    dead_letters,
    deliveries,
    endpoints,
    examination,
    inbox,
    journey,
    orders,
    outbox,
    partitions,
    watch,
)

__all__ = [
    "api_keys",
    "database",
    "dead_letters",
    "deliveries",
    "endpoints",
    "examination",
    "inbox",
    "journey",
    "orders",
    "outbox",
    "partitions",
    "watch",
]

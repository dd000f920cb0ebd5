"""What Pub/Sub refuses, however well it is.

The limits are Google's: https://cloud.google.com/pubsub/quotas#resource_limits and the reference of
each method.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

_NAME: Final = re.compile(r"projects/[^/]+/(topics|subscriptions)/(?!goog)[A-Za-z][\w.~+%-]{2,254}")
#: Messages and bytes of a request, attributes of a message and their bytes.
_MESSAGES, _BYTES, _ATTRIBUTES, _KEY, _VALUE = 1000, 10_000_000, 100, 256, 1024
_DELIVERY_ATTEMPTS: Final = range(5, 101)


class RefusedError(Exception):
    """A request is answered with an error; ``status`` is the name of a gRPC status code."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def check_name(name: str) -> None:
    """See that something is called as Pub/Sub allows."""
    _require(_NAME.fullmatch(name) is not None, f"Invalid resource name: {name}")


def check_subscription(made: Any) -> None:  # noqa: ANN401 - Google's message
    """See that a subscription asks for what Pub/Sub allows and the double can do."""
    check_ack_deadline(made.ack_deadline_seconds)
    policy = made.dead_letter_policy
    _require(
        not policy.max_delivery_attempts or policy.max_delivery_attempts in _DELIVERY_ATTEMPTS,
        "max_delivery_attempts is 5 to 100",
    )
    for name, asked in (
        ("A filter", made.filter),
        ("An ordering", made.enable_message_ordering),
        ("Exactly-once delivery", made.enable_exactly_once_delivery),
        ("A push", made.push_config.push_endpoint),
    ):
        if asked:
            raise RefusedError("UNIMPLEMENTED", f"{name} is more than the double can do")


def check_ack_deadline(seconds: int, *, least: int = 10) -> None:
    """See that an ack deadline is neither too short nor too long."""
    _require(least <= seconds <= 600, f"An ack deadline is {least} to 600 seconds")  # noqa: PLR2004


def check_messages(messages: Sequence[Any]) -> None:
    """See that a request to publish keeps to Pub/Sub's limits."""
    _require(0 < len(messages) <= _MESSAGES, f"A request carries 1 to {_MESSAGES} messages")
    size = sum(message.ByteSize() for message in messages)
    _require(size <= _BYTES, f"A request carries {_BYTES} bytes at most")
    for message in messages:
        attributes = message.attributes
        _require(bool(message.data or attributes), "A message has data or attributes")
        _require(len(attributes) <= _ATTRIBUTES, f"A message has {_ATTRIBUTES} attributes at most")
        for key, value in attributes.items():
            fits = 0 < len(key.encode()) <= _KEY and len(value.encode()) <= _VALUE
            _require(fits, f"Attribute {key[:40]!r} is empty or too long")


def _require(holds: bool, reason: str) -> None:  # noqa: FBT001 - a condition
    if not holds:
        raise RefusedError("INVALID_ARGUMENT", reason)

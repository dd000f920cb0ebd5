"""A subscriber client that remembers what it was told, and leases that speak to it."""

from __future__ import annotations

from typing import Any

from orderbus.pubsub.leases import Leases


class Client:
    """Stands in for the subscriber client: remembers what it was told."""

    def __init__(self, *errors: Exception) -> None:
        self.told: list[tuple[str, list[str]]] = []
        self._errors = list(errors)

    def acknowledge(self, *, request: dict[str, Any], **_: Any) -> None:
        self._tell("ack", request)

    def modify_ack_deadline(self, *, request: dict[str, Any], **_: Any) -> None:
        self._tell(f"deadline {request['ack_deadline_seconds']}", request)

    def _tell(self, what: str, request: dict[str, Any]) -> None:
        if self._errors:
            raise self._errors.pop(0)
        self.told.append((what, request["ack_ids"]))


def trusted(client: Client) -> Leases:
    leases = Leases(client, "projects/p/subscriptions/s")
    leases.trust()
    return leases

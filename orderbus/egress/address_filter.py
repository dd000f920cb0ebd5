"""The sockets that a webhook may leave through, and how much may come back.

An address is checked when a socket for it is made, after every name was resolved: a name that
resolves to something else the next time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from aiohttp import AddrInfoType

from orderbus.domain.addresses import Network, forbidden

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

#: Bytes that may come back for one request, counted as they arrive: an endpoint that floods its
#: worker with header lines, chunks or interim answers does so no longer than this.
RECEIVE_AT_MOST: Final = 1_048_576

#: The addresses the exchange of this context connected to; the last one is where it was sent.
connected_to: ContextVar[list[str]] = ContextVar("connected_to")


class ForbiddenAddressError(OSError):
    """The endpoint's address is one that webhooks must not reach."""


class FloodError(OSError):
    """The endpoint sent more than an answer can be."""


class AddressFilter:
    """Makes sockets, and only for addresses that webhooks may be sent to, or that are allowed."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed

    def __call__(self, info: AddrInfoType) -> socket.socket:
        """Make a socket for one resolved address; raises ``ForbiddenAddressError``."""
        family, kind, protocol, _, place = info
        address = str(place[0])
        if forbidden(address, self._allowed):
            # The same words for each address: several failures alike are reported as the first.
            message = "not a public address; ORDERBUS_WEBHOOK_ALLOWED_NETWORKS can allow it"
            raise ForbiddenAddressError(message)
        connected_to.get([]).append(address)
        return _MeteredSocket(family=family, type=kind, proto=protocol)


class _MeteredSocket(socket.socket):
    """A socket that breaks when more comes back for one request than ``RECEIVE_AT_MOST``."""

    _came = 0

    def send(self, content: ReadableBuffer, flags: int = 0, /) -> int:
        """Send, and begin to count anew: a connection carries one request after another."""
        self._came = 0
        return super().send(content, flags)

    def recv(self, at_most: int, flags: int = 0, /) -> bytes:
        """Receive as asyncio does for plain connections."""
        received = super().recv(at_most, flags)
        self._count(len(received))
        return received

    def recv_into(self, buffer: WriteableBuffer, at_most: int = 0, flags: int = 0, /) -> int:
        """Receive as asyncio does for TLS connections."""
        came = super().recv_into(buffer, at_most, flags)
        self._count(came)
        return came

    def _count(self, came: int) -> None:
        self._came += came
        if self._came > RECEIVE_AT_MOST:
            raise FloodError(f"more than {RECEIVE_AT_MOST} bytes came back for one request")

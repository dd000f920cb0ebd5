"""How does a port stay somebody's while nobody listens on it, however many others look for one?"""

from __future__ import annotations

import socket
from typing import Final, TypeVar

from orderbus.devtools.emulator import DoublePubsub, NativeEmulator
from orderbus.devtools.postgres import NativePostgres
from orderbus.devtools.processes import free_port
from orderbus.devtools.rabbitmq import NativeRabbitmq

P = TypeVar("P")

_held: Final[list[socket.socket]] = []


def kept_port() -> int:
    """Find a free port, and keep it until this process ends for the servers that we start.

    It is bound and nobody listens: who connects is refused, and it is given to nobody else, here
    or in another process. A server that sets ``SO_REUSEADDR``, as all of ours do, may listen on
    it, stop, and come back.
    """
    while True:
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", free_port()))
        except OSError:
            holder.close()  # somebody was quicker
            continue
        # Not before it is bound: of two that both set it, each would get the port.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _held.append(holder)
        return int(holder.getsockname()[1])


def with_kept_ports(part: P) -> P:
    """Give a private part that has not started yet ports that stay its own while it is down."""
    match part:
        case NativePostgres() | NativeEmulator():
            part._port = kept_port()
        case DoublePubsub():
            part._port, part._admin = kept_port(), kept_port()
        case NativeRabbitmq():
            part._ports = [kept_port() for _ in range(4)]
    return part

"""What each session with PostgreSQL is made ready with, and when one is taken for lost."""

from __future__ import annotations

import json
import socket
from typing import Any, Final

#: When our end of a connection gives up a server that vanished, by the names of libpq; times in
#: seconds but the last.
KEEPALIVE: Final = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_OPTIONS: Final = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")


def keep_alive(connection: Any) -> None:  # noqa: ANN401 - as below
    """Notice a server that vanished while nothing is sent to it; asyncpg has no option for it."""
    sock = connection._transport.get_extra_info("socket")  # noqa: SLF001 - no other way to it
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in zip(_OPTIONS, KEEPALIVE.values(), strict=True):
        if hasattr(socket, option):  # each system has some of them
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def prepare(connection: Any) -> None:  # noqa: ANN401 - asyncpg hands out its proxy here
    """Make a session of a pool ready for use."""
    keep_alive(connection)
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )


async def leave_as_it_is(_connection: object) -> None:
    """Skip asyncpg's reset query, a round trip per use: no statement here changes the session."""

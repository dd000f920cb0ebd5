"""A receiver of webhooks that costs next to nothing: ``python -m bench.receiver PORT``.

It answers 204 at once, except under ``/hang``, where it takes everything and never answers.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with nothing read."""
        self._transport = cast("asyncio.Transport", transport)  # TCP; uvloop has a class of its own
        self._read = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is there as a whole."""
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end].lower()
            _, _, rest = head.partition(b"content-length:")
            whole = end + 4 + int(rest.partition(b"\r\n")[0] or 0)
            if len(self._read) < whole:
                return
            self._read = self._read[whole:]
            if not head.startswith(b"post /hang"):
                self._transport.write(_ANSWER)


async def main(port: int) -> None:
    """Listen until the process ends."""
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))

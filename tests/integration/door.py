"""A door before a real neighbour: a TCP forwarder that a test opens and shuts."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from orderbus.local.processes import free_port
from tests.parts import Background


class Door:
    """Shut at first. Shutting it again cuts off everybody who came through."""

    def __init__(self, host: str, port: int) -> None:
        self.port = free_port()
        self._behind = (host, port)
        self._background = Background()
        self._server: asyncio.Server | None = None
        self._inside: set[asyncio.StreamWriter] = set()

    def open(self) -> None:
        self._background.run(self._open())

    def shut(self) -> None:
        self._background.run(self._shut())

    def close(self) -> None:
        self.shut()
        self._background.close()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._let_in, "127.0.0.1", self.port)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._inside):
            writer.transport.abort()
        while self._inside:
            await asyncio.sleep(0.01)

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, back = await asyncio.open_connection(*self._behind)
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._inside.add(writer)
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        writer.close()
        self._inside.discard(writer)

"""A TCP proxy before a real neighbour, which a test opens, shuts and slows down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.support.dependencies import Background
from tests.support.ports import kept_port

Carry = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class TcpProxy:
    """Shut at first. Shutting it again cuts off everybody who came through.

    ``answers`` carries what the neighbour answers, where that is not to come back as it is.
    """

    def __init__(self, host: str, port: int, *, answers: Carry | None = None) -> None:
        self.port = kept_port()
        #: Seconds that everything takes on its way, in each direction.
        self.delay = 0.0
        self._behind = (host, port)
        self._carry_answers = answers or self._carry
        self._flows = asyncio.Event()
        self._background = Background()
        self._server: asyncio.Server | None = None
        self._inside: set[asyncio.StreamWriter] = set()
        self._coming = 0

    def open(self) -> None:
        self._background.run(self._open())

    def shut(self) -> None:
        self._background.run(self._shut())

    def cut(self) -> None:
        """Cut off everybody who came through; who comes again is let in."""
        self.shut()
        self.open()

    def freeze(self) -> None:
        """Carry nothing more, and leave every connection as it is, until it is shut."""
        self._background.run(self._freeze())

    def close(self) -> None:
        self.shut()
        self._background.close()

    async def _open(self) -> None:
        self._flows.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._let_in, "127.0.0.1", self.port)

    async def _freeze(self) -> None:
        self._flows.clear()

    async def _shut(self) -> None:
        self._flows.set()
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0.01)  # for whoever came just before to be let in, and cut off
        while self._inside or self._coming:
            for writer in tuple(self._inside):
                writer.transport.abort()
            await asyncio.sleep(0.01)

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._coming += 1
        try:
            there, back = await asyncio.open_connection(*self._behind)
        except OSError:
            writer.transport.abort()  # nobody is there
            return
        else:
            self._inside |= {writer, back}
        finally:
            self._coming -= 1
        try:
            await asyncio.gather(self._carry(reader, back), self._carry_answers(there, writer))
        finally:
            self._inside -= {writer, back}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what comes, each piece as late as the delay says and none before another."""
        loop = asyncio.get_running_loop()
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1000)

        async def arrive() -> None:
            while True:
                due, chunk = await on_the_way.get()
                await asyncio.sleep(due - loop.time())
                await self._flows.wait()
                if not chunk:
                    return
                writer.write(chunk)
                await writer.drain()

        arriving = asyncio.create_task(arrive())
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                await on_the_way.put((loop.time() + self.delay, chunk))
        await on_the_way.put((0.0, b""))
        with suppress(OSError):
            await arriving
        writer.close()

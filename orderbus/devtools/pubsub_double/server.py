"""The servers of the double: one for Google's clients, one that sets its faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orderbus.devtools.pubsub_double.faults import Faults, Seconds
from orderbus.devtools.pubsub_double.service import Service
from orderbus.devtools.pubsub_double.store import Store
from orderbus.errors import Misconfigured

_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),  # two on one port would each get half of the requests
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Our clients ask for signs of life.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
)


class _Absence(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seconds: Seconds = Field(description="How long nobody answers at the port.")


class Double:
    """Pub/Sub on a port, 0 for any free one; keeps everything in memory, has faults at will."""

    def __init__(self, host: str, port: int) -> None:
        self.store = Store()
        self.host = host
        self._port = port
        self._server: grpc.aio.Server | None = None
        self._coming_back: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """What PUBSUB_EMULATOR_HOST is set to."""
        return f"{self.host}:{self._port}"

    async def start(self) -> None:
        """Answer from now on, with whatever is kept; raises ``Misconfigured`` for a taken port."""
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers(Service(self.store).handlers())
        try:
            self._port = server.add_insecure_port(self.address)
        except RuntimeError as error:
            message = f"Cannot listen on {self.address}: choose another --host or --port"
            raise Misconfigured(message) from error
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Answer no more, and close every connection; what is kept is kept."""
        if self._coming_back is not None:
            self._coming_back.cancel()
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None

    async def go_away(self, seconds: float) -> None:
        """Be gone for so long."""
        await self.stop()
        self._coming_back = asyncio.create_task(self._come_back(seconds))

    async def _come_back(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.start()

    def describe(self) -> dict[str, Any]:
        """Tell what is kept, and which faults are on."""
        return {
            "address": self.address,
            "answers": self._server is not None,
            "faults": self.store.faults.model_dump(),
            "topics": sorted(self.store.topics),
            "subscriptions": {
                name: {"topic": subscription.made.topic, "unacknowledged": len(subscription)}
                for name, subscription in sorted(self.store.subscriptions.items())
            },
        }


@asynccontextmanager
async def open_double(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Double]:
    """Run a double while the block runs."""
    double = Double(host, port)
    await double.start()
    try:
        yield double
    finally:
        await double.stop()


@asynccontextmanager
async def open_admin(double: Double, port: int) -> AsyncIterator[str]:
    """Open the door through which a double is told what to do, while the block runs; its URL."""

    async def carry_out(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            match request.path:
                case "/faults":
                    double.store.have(Faults.model_validate_json(body or b"{}"))
                case "/forget":
                    double.store.forget()
                case "/away":
                    await double.go_away(_Absence.model_validate_json(body).seconds)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            return web.json_response({"errors": problems}, status=422)
        return web.json_response(double.describe())

    app = web.Application()
    for method, path in (("GET", "/"), ("PUT", "/faults"), ("POST", "/forget"), ("POST", "/away")):
        app.router.add_route(method, path, carry_out)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, double.host, port)
        try:
            await site.start()
        except OSError as error:
            raise Misconfigured(f"{error.strerror}: choose another --admin-port") from error
        yield f"http://{double.host}:{site.port}/"
    finally:
        await runner.cleanup()

"""Each secret is rotated as its page says, under traffic, and nobody who follows it is refused."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from orderbus.domain.webhooks import new_secret
from tests.support import samples
from tests.support.ports import kept_port
from tests.support.system import System
from tests.support.verifying import Verifying

#: Secrets know nothing of where queues are.
pytestmark = pytest.mark.native

OLD, NEW = "an old secret of the senders", "a new secret of the senders"


class Webs:
    """Two web processes behind something that asks the other where one does not answer."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._ports: Iterator[int] = itertools.repeat(0)

    async def start(self) -> None:
        ports = [kept_port(), kept_port()]
        self._ports = itertools.cycle(ports)
        for port in ports:
            await self._start(port)

    async def restart(self) -> None:
        """Restart web, process by process."""
        for port, process in list(self._running.items()):
            process.terminate()
            assert await self.system.ended(process) == 0
            await self._start(port)

    async def _start(self, port: int) -> None:
        self._running[port] = await self.system.command("run_web.py", "--port", str(port))

        async def ready() -> bool:
            async with self.system.http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                return answer.status == 200

        await self.system.until(ready, f"web on port {port} is ready")

    async def ask(self, method: str, path: str, **how: object) -> int:
        """Ask one that answers; returns the status."""
        while True:
            url = f"http://127.0.0.1:{next(self._ports)}{path}"
            with suppress(aiohttp.ClientConnectionError):
                async with self.system.http.request(method, url, **how) as answer:  # type: ignore[arg-type]
                    return answer.status


class Traffic:
    """Asks again and again, and counts the answers."""

    def __init__(self, ask: Callable[[], Awaitable[int]]) -> None:
        self.answers: Counter[int] = Counter()
        self._ask = ask

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._go()) for _ in range(4)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _go(self) -> None:
        while True:
            self.answers[await self._ask()] += 1
            await asyncio.sleep(0.02)

    async def some_more(self, system: System) -> None:
        """Wait until 20 more were answered."""
        before = self.answers.total()

        async def more() -> bool:
            return self.answers.total() >= before + 20

        await system.until(more, "there is traffic")


class Sender:
    """Who sends orders, each signed with the secret that it has."""

    def __init__(self, webs: Webs, secret: str) -> None:
        self.secret = secret
        self._webs = webs

    async def send(self) -> int:
        data = json.dumps(samples.order_body()).encode()
        signature = hmac.digest(self.secret.encode(), data, hashlib.sha256).hex()
        return await self._webs.ask(
            "POST",
            "/webhooks/orders/create/",
            data=data,
            headers={"X-Webhook-Signature": signature, "Content-Type": "application/json"},
        )


class User:
    """Who calls the API with the key that it has."""

    def __init__(self, webs: Webs, key: str) -> None:
        self.key = key
        self._webs = webs

    async def call(self) -> int:
        return await self._webs.ask("GET", "/api/v1/jobs", headers={"X-API-Key": self.key})


@pytest.fixture
async def webs(system: System) -> Webs:
    """Two web processes that want signatures and keys."""
    system.env |= {"AUTH": "required", "WEBHOOK_SECRET": OLD}
    webs = Webs(system)
    await webs.start()
    return webs


async def test_no_order_is_refused_while_the_secret_of_the_senders_is_rotated(
    system: System, webs: Webs
) -> None:
    sender = Sender(webs, OLD)
    traffic = Traffic(sender.send)
    async with traffic.going_on():
        await traffic.some_more(system)
        system.env["WEBHOOK_SECRET"] = f"{NEW},{OLD}"
        await webs.restart()
        await traffic.some_more(system)
        sender.secret = NEW
        await traffic.some_more(system)
        system.env["WEBHOOK_SECRET"] = NEW
        await webs.restart()
        await traffic.some_more(system)

    assert set(traffic.answers) == {201}
    assert await Sender(webs, OLD).send() == 401


async def test_no_call_is_refused_while_an_api_key_is_rotated(system: System, webs: Webs) -> None:
    old = await system.orderbus("keys", "create", "back office")
    user = User(webs, old["key"])
    traffic = Traffic(user.call)
    async with traffic.going_on():
        await traffic.some_more(system)
        user.key = (await system.orderbus("keys", "create", "back office 2026"))["key"]
        await traffic.some_more(system)
        (row,) = [
            key for key in await system.orderbus("keys", "list") if key["name"] == "back office"
        ]
        await system.orderbus("keys", "revoke", str(row["id"]))
        await traffic.some_more(system)

    assert set(traffic.answers) == {200}
    assert await User(webs, old["key"]).call() == 401


async def test_with_another_secret_key_orders_go_on_and_new_keys_are_valid_at_once(
    system: System, webs: Webs
) -> None:
    old = await system.orderbus("keys", "create", "back office")
    traffic = Traffic(Sender(webs, OLD).send)
    async with traffic.going_on():
        await traffic.some_more(system)
        system.env["SECRET_KEY"] = "another key for tests"
        new = await system.orderbus("keys", "create", "back office 2026")
        before = [await User(webs, key["key"]).call() for key in (old, new)]
        await webs.restart()
        after = [await User(webs, key["key"]).call() for key in (old, new)]
        await traffic.some_more(system)

    assert set(traffic.answers) == {201}
    assert (before, after) == ([200, 401], [401, 200])


async def test_no_webhook_is_refused_while_the_secret_of_the_built_in_endpoint_is_rotated(
    system: System,
) -> None:
    customer = system.receiver.answer = Verifying(system.env["WEBHOOK_OUTGOING_SECRET"])
    await system.start_all()
    traffic = Traffic(lambda: _posted(system))

    async def delivered_more() -> None:
        before = len(system.receiver.accepted)
        await system.until_accepted(before + 10)

    async with traffic.going_on():
        await delivered_more()
        system.env["WEBHOOK_OUTGOING_SECRET"] = new_secret()
        await system.orderbus("migrate")
        await delivered_more()
        customer.secret = system.env["WEBHOOK_OUTGOING_SECRET"]
        await delivered_more()

    assert {request.status for request in system.receiver.requests} == {204}


async def _posted(system: System) -> int:
    await system.post()
    return 201

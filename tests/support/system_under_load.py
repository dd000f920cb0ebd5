"""A whole orderbus under a steady load, whose parts and processes a test may take away."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
import psycopg

from orderbus import services
from orderbus.devtools import emulator
from orderbus.devtools import postgres as local_postgres
from orderbus.devtools.emulator import NativeEmulator
from orderbus.devtools.postgres import NativePostgres
from orderbus.errors import Misconfigured, OrderbusError
from orderbus.storage.database import open_database
from tests.conftest import settings_from
from tests.support import samples, scenario
from tests.support.dependencies import Background
from tests.support.ports import with_kept_ports
from tests.support.rabbitmq_node import Node
from tests.support.system import System, environment
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import PATIENCE
from tests.support.worker_process import elsewhere

#: Orders that are posted at the same time, and seconds each sender waits after one.
SENDERS, PAUSE = 8, 0.4
#: Seconds within which everything has to be delivered. The emulator loses events, again and again,
#: for minutes after a connection to it broke.
DRAINED_WITHIN: Final = 240
#: Names a file to which each outage's figures are appended, one JSON object a line.
REPORT: Final = "ORDERBUS_OUTAGES"
#: Whom the processes are to PostgreSQL: the owner of the database, and no superuser, so that it
#: can be told to refuse them.
ROLE: Final = "shop"
#: What the tables say of each event of some orders.
WHEREABOUTS: Final = """
    SELECT orders.external_ref, history.sequence, history.event_id, now() - history.at AS age,
           outbox.due_at, outbox.published_at, outbox.publishes, outbox.lease IS NOT NULL AS leased,
           inbox.received_at, watermarks.sequence AS watermark,
           deliveries.id AS delivery, deliveries.state, deliveries.due_at AS delivery_due_at,
           deliveries.attempts, deliveries.hinted_at, deliveries.lease IS NOT NULL AS claimed
      FROM orders.orders
      JOIN orders.order_history AS history ON history.order_id = orders.id
      LEFT JOIN ops.outbox USING (event_id)
      LEFT JOIN ops.inbox USING (event_id)
      LEFT JOIN ops.watermarks ON watermarks.order_id = orders.id
      LEFT JOIN ops.webhook_deliveries AS deliveries ON deliveries.event_id = history.event_id
     WHERE orders.external_ref = ANY ($1)
     ORDER BY orders.id, history.sequence
"""

_Step = Callable[[], object]


@dataclass
class Outage:
    """What was seen of one outage; times in seconds after the part was back."""

    name: str
    lasted: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)
    orders_after: float = 0.0
    webhooks_after: float = 0.0
    drained_after: float = 0.0


class SystemUnderLoad:
    """Orders come in all the time, and every one of them is accounted for after each outage."""

    def __init__(self, folder: Path) -> None:
        self.background = Background()
        self.folder = folder
        self.node = Node(folder / "rabbitmq")
        self.postgres = _postgres(folder)
        self.pubsub = _pubsub()
        self.proxies: dict[str, TcpProxy] = {}
        self.system: System
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        #: What PostgreSQL said.
        self.said: list[str] = []
        self._stack = AsyncExitStack()
        self._accepted: dict[str, float] = {}
        self._answers: dict[str, int] = {}
        self._references: set[str] = set()
        self._appended = 0
        self._sending: list[asyncio.Task[None]] = []

    # -- up and down ----------------------------------------------------------------------------

    def open(self) -> None:
        self.node.start()
        self.background.run(self._open())

    def close(self) -> None:
        self.background.run(self._close())
        for proxy in self.proxies.values():
            proxy.close()
        self.node.close()
        self.background.close()

    async def _open(self) -> None:
        await asyncio.gather(self.postgres.start(self.note), self.pubsub.start(silent_sink))
        await asyncio.to_thread(self._make_role)
        env = {
            **self.postgres.env,
            **self.pubsub.env,
            "RABBITMQ_URL": self.node.vhost(),
            "DB_USER": ROLE,
        }
        self.vhost = env["RABBITMQ_URL"].rpartition("/")[2]
        env |= self._proxies(env)
        settings = settings_from({**self.postgres.env, **self.pubsub.env})
        self.direct = await self._stack.enter_async_context(open_database(settings))
        self.system = System(environment(env, self.folder / "log"), settings, self.direct)
        self._stack.push_async_callback(self.system.close)
        await self._stack.enter_async_context(self.system.receiver.listening())
        self.system.env["WEBHOOK_OUTGOING_URL"] = self.system.receiver.url
        await self.system.orderbus("migrate")
        names = self.system.processes
        started = await asyncio.gather(*(self.system.start(name) for name in names))
        self.processes = dict(zip(names, started, strict=True))
        self._sending = [asyncio.create_task(self._send()) for _ in range(SENDERS)]

    def note(self, _name: str, line: str) -> None:
        self.said.append(line)

    def _make_role(self) -> None:
        password, database = self.postgres.env["DB_PASS"], self.postgres.env["DB_NAME"]
        self.execute(
            f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'",
            f"ALTER DATABASE {database} OWNER TO {ROLE}",
        )

    def execute(self, *statements: str) -> int:
        """Run statements past every proxy, as a superuser; returns the last one's count of rows."""
        env = self.postgres.env
        with psycopg.connect(
            host=env["DB_HOST"],
            port=env["DB_PORT"],
            dbname=env["DB_NAME"],
            user=env["DB_USER"],
            password=env["DB_PASS"],
            autocommit=True,
        ) as connection:
            rows = 0
            for statement in statements:
                rows = connection.execute(statement.encode()).rowcount
        return rows

    async def _close(self) -> None:
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._stack.aclose()
        await asyncio.gather(self.postgres.stop(), self.pubsub.stop())

    def _proxies(self, env: dict[str, str]) -> dict[str, str]:
        """Put a proxy before each part; returns the variables that lead through them."""
        pubsub = env["PUBSUB_EMULATOR_HOST"].rpartition(":")
        rabbitmq = env["RABBITMQ_URL"].rpartition("@")[2].partition("/")[0]
        self.proxies = {
            "postgres": TcpProxy(env["DB_HOST"], int(env["DB_PORT"])),
            "rabbitmq": TcpProxy(rabbitmq.partition(":")[0], int(rabbitmq.partition(":")[2])),
            "pubsub": TcpProxy(pubsub[0], int(pubsub[2])),
        }
        for proxy in self.proxies.values():
            proxy.open()
        return {
            "DB_PORT": str(self.proxies["postgres"].port),
            "RABBITMQ_URL": elsewhere(
                env["RABBITMQ_URL"], f"127.0.0.1:{self.proxies['rabbitmq'].port}"
            ),
            "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{self.proxies['pubsub'].port}",
        }

    # -- the load -------------------------------------------------------------------------------

    async def _send(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as http:
            while True:
                reference = await self._post(http)
                if len(self._accepted) % 5 == 0:
                    with suppress(OrderbusError):
                        await self._append(reference)
                await asyncio.sleep(PAUSE)

    async def _post(self, http: aiohttp.ClientSession) -> str:
        """POST one order until it is accepted, as a careful sender does."""
        body = samples.order_body(f"SO-{uuid4()}")
        self._references.add(body["order_id"])
        url = f"{self.system.api}/webhooks/orders/create/"
        while True:
            said = "no answer"
            with suppress(aiohttp.ClientError, TimeoutError):
                async with http.post(url, json=body) as answer:
                    said = str(answer.status)
                    if answer.status == 503 and "Retry-After" not in answer.headers:
                        said = "503 without Retry-After"
            self._answers[said] = self._answers.get(said, 0) + 1
            if said in {"200", "201"}:
                self._accepted[body["order_id"]] = time.monotonic()
                return str(body["order_id"])
            await asyncio.sleep(0.2)

    async def _append(self, reference: str) -> None:
        order = await services.orders.find(self.direct, reference)
        await scenario.append_event(self.direct, order.order_id)
        self._appended += 1

    # -- an outage ------------------------------------------------------------------------------

    def endure(
        self,
        name: str,
        *,
        begin: _Step,
        seconds: float,
        end: _Step,
        red: dict[str, str] | None = None,
        silent: bool = False,
    ) -> Outage:
        """Go through an outage, and see that nothing was lost, repeated or charged.

        ``red`` names for each process the part it has to miss meanwhile; ``silent`` is whether the
        web server may leave requests without an answer.
        """
        return self.background.run(
            self._endure(Outage(name), begin, seconds, end, red or {}, silent=silent),
            seconds=DRAINED_WITHIN + 3 * PATIENCE,
        )

    async def _endure(
        self,
        outage: Outage,
        begin: _Step,
        seconds: float,
        end: _Step,
        red: dict[str, str],
        *,
        silent: bool,
    ) -> Outage:
        await self._flows_after(time.monotonic())
        self._answers.clear()
        began = time.monotonic()
        try:
            await _do(begin)
            for process, part in red.items():
                await self.system.until(
                    partial(self._misses, process, part),
                    f"{process} says that it misses {part}",
                )
            await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        finally:
            await _do(end)  # the next outage begins with everything there
        ended = time.monotonic()
        outage.lasted = round(ended - began, 1)
        outage.orders_after, outage.webhooks_after = await self._flows_after(ended)
        outage.drained_after = await self._drained_after(ended)
        outage.answers = dict(self._answers)
        self._record(outage)
        await self._nothing_was_lost_repeated_or_charged()
        allowed = {"200", "201", "503", *(["no answer"] if silent else [])}
        assert set(outage.answers) <= allowed, outage
        return outage

    async def _flows_after(self, moment: float) -> tuple[float, float]:
        """Wait for an order and a webhook later than ``moment``; returns the seconds to each."""
        orders = await self._first_after(moment, self._accepted.values)
        webhooks = await self._first_after(
            moment, lambda: (entry.answered_at for entry in self.system.receiver.accepted)
        )
        return orders, webhooks

    async def _first_after(self, moment: float, times: Callable[[], Any]) -> float:
        found: list[float] = []

        async def there() -> bool:
            found[:] = [at for at in times() if at > moment]
            return bool(found)

        await self.system.until(there, "it flows again")
        return round(min(found) - moment, 1)

    async def _drained_after(self, moment: float) -> float:
        """Wait until everything that was accepted so far has been delivered."""
        posted = set(self._accepted)

        def missing() -> set[str]:
            return posted - {entry.body["order_id"] for entry in self.system.receiver.accepted}

        async def drained() -> bool:
            return not missing()

        try:
            await self.system.until(drained, "all is delivered", seconds=DRAINED_WITHIN)
        except AssertionError:
            sys.stdout.write("\n".join(await self._whereabouts(missing())))
            raise
        return round(time.monotonic() - moment, 1)

    async def _whereabouts(self, references: set[str]) -> list[str]:
        """Tell what the tables and the log say of orders that were not delivered."""
        async with self.direct.connection() as connection:
            rows = await connection.fetch(WHEREABOUTS, list(references))
        names = [*references, *(str(row["event_id"]) for row in rows), '"warning"', '"error"']
        log = Path(self.system.env["LOG"]).read_text().splitlines()
        said = [line for line in log if any(name in line for name in names)]
        return [*(str(dict(row)) for row in rows), *said[-500:]]

    async def _nothing_was_lost_repeated_or_charged(self) -> None:
        for name, process in self.processes.items():
            assert process.returncode is None, f"{name} ended"
        times = self.system.receiver.times()
        assert set(times.values()) == {1}, [n for n in times.items() if n[1] > 1]
        for reference, numbers in self.system.receiver.sequences().items():
            assert numbers == list(range(1, len(numbers) + 1)), reference
        value = self.system.value
        assert await value("SELECT count(*) FROM ops.dead_letters") == 0
        charged = "SELECT count(*) FROM ops.webhook_deliveries WHERE attempts > 1"
        assert await value(charged) == 0
        for name in self.processes:
            await self.system.until(partial(self.system.is_ready, name), f"{name} is ready")

    async def _misses(self, process: str, part: str) -> bool:
        async with self.system.http.get(self.system.readiness(process)) as answer:
            return answer.status == 503 and (await answer.json())["parts"][part] is False

    def _record(self, outage: Outage) -> None:
        if file := os.environ.get(REPORT):
            with Path(file).open("a") as report:
                report.write(json.dumps(asdict(outage)) + "\n")


async def _do(step: _Step) -> None:
    """Do it on this loop, or on a thread if it blocks."""
    done = await asyncio.to_thread(step)
    if isinstance(done, Awaitable):
        await done


def silent_sink(_name: str, _line: str) -> None:
    """Take a part's output and show nobody."""


def _postgres(folder: Path) -> NativePostgres:
    binaries = local_postgres.binaries()
    if binaries is None:
        raise Misconfigured("There is no PostgreSQL to stop and start")
    return with_kept_ports(NativePostgres(folder / "postgres", binaries, safe=False))


def _pubsub() -> NativeEmulator:
    jar = emulator.jar()
    if jar is None:
        raise Misconfigured("There is no Java, or no Pub/Sub emulator of the Cloud SDK")
    return with_kept_ports(NativeEmulator(jar))

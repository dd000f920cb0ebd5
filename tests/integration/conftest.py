"""What integration tests ask for: parts they may hurt, and workers on parts of their own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from orderbus.devtools.dependency import Dependency
from orderbus.devtools.rabbitmq import server
from orderbus.egress.session import Session, open_session
from orderbus.errors import Misconfigured
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database, open_database
from tests.conftest import settings_from
from tests.support import rabbitmq_admin, roles
from tests.support.api_client import Client, serving
from tests.support.ports import kept_port
from tests.support.probe_worker import ProbeWorker
from tests.support.rabbitmq_node import Node
from tests.support.raw_receiver import settings_that_allow
from tests.support.receiver import Receiver
from tests.support.replicated import Pair, running_pair
from tests.support.tcp_proxy import TcpProxy
from tests.support.worker_process import Start, Worker, through


@pytest.fixture(scope="session")
def rabbitmq_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that tests may hurt."""
    if server() is None:
        reason = "rabbitmq-server is not installed, and a container cannot be hurt so"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    node = Node(tmp_path_factory.mktemp("rabbitmq"))
    node.start()
    yield node
    node.close()


@pytest.fixture
def probe_worker(rabbitmq_node: Node) -> Iterator[ProbeWorker]:
    """A worker in this process on a virtual host of its own."""
    probe_worker = ProbeWorker(rabbitmq_node.vhost())
    yield probe_worker
    probe_worker.close()


@pytest.fixture
def rabbitmq_url(parts: dict[str, Dependency], env: dict[str, str]) -> str:
    """A virtual host of the test's own."""
    name = f"test-{uuid4().hex[:12]}"
    rabbitmq_admin.make_vhost(parts["RabbitMQ"], name)
    return env["RABBITMQ_URL"].rstrip("/") + f"/{name}"


@pytest.fixture
def proxies(env: dict[str, str], rabbitmq_url: str) -> Iterator[dict[str, TcpProxy]]:
    """A proxy before each part; all are shut."""
    rabbitmq = urlsplit(rabbitmq_url)
    pubsub_host, _, pubsub_port = env["PUBSUB_EMULATOR_HOST"].rpartition(":")
    proxies = {
        "postgres": TcpProxy(env["DB_HOST"], int(env["DB_PORT"])),
        "rabbitmq": TcpProxy(str(rabbitmq.hostname), int(rabbitmq.port or 5672)),
        "pubsub": TcpProxy(pubsub_host, int(pubsub_port)),
    }
    yield proxies
    for proxy in proxies.values():
        proxy.close()


@pytest.fixture
def start(env: dict[str, str], rabbitmq_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start workers on the test's own database and virtual host, and end what is left of them."""
    started: list[Worker] = []
    port = str(kept_port())

    def start(
        *options: str,
        proxies: dict[str, TcpProxy] | None = None,
        app: str = "orderbus.actors",
        **changes: str,
    ) -> Worker:
        behind = through(proxies, rabbitmq_url) if proxies else {}
        worker = Worker(
            {
                **env,
                "RABBITMQ_URL": rabbitmq_url,
                "SECRET_KEY": "a key for tests",
                "AUTH": "open",
                "ORDERBUS_WORKER_METRICS_PORT": port,
                "TMPDIR": str(tmp_path),
                **behind,
                **changes,
            },
            tmp_path / f"log-{len(started)}",
            *(options or ("--processes", "1", "--threads", "2")),
            app=app,
        )
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().listening() as receiver:
        yield receiver


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    """A worker's client that may reach this machine."""
    async with open_session(settings_that_allow("127.0.0.0/8", "::1/128")) as session:
        yield session


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> list[Database]:
    """Every connection to the database that is taken from now on."""
    taken: list[Database] = []
    connection = Database.connection

    @asynccontextmanager
    async def counted(database: Database) -> AsyncIterator[Connection]:
        taken.append(database)
        async with connection(database) as lent:
            yield lent

    monkeypatch.setattr(Database, "connection", counted)
    return taken


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[Any]:
    async with open_session(settings) as session:
        yield session


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """Speaks HTTP to a real front door."""
    async with serving(settings) as client:
        yield client


@pytest.fixture(scope="session")
def whole_pair() -> Iterator[Pair]:
    try:
        with running_pair() as pair:
            yield pair
    except Misconfigured as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


@pytest.fixture
def pair(whole_pair: Pair) -> Pair:
    whole_pair.delay("0")
    whole_pair.until_caught_up()
    return whole_pair


@pytest.fixture
def role() -> str:
    """The name of a role that is not there yet."""
    return f"app_{uuid4().hex[:12]}"


@pytest.fixture
def two(env: dict[str, str], role: str) -> Iterator[dict[str, str]]:
    """The variables of a system that is another role than the owner."""
    given = {
        "DB_OWNER_USER": env["DB_USER"],
        "DB_OWNER_PASSWORD": env["DB_PASS"],
        "DB_USER": role,
        "DB_PASS": "a password 'with\\ marks",
    }
    yield {**env, **given}
    roles.drop(settings_from(env), role)


@pytest.fixture
def least(two: dict[str, str]) -> Settings:
    """The settings of such a system, which was granted what it needs."""
    settings = settings_from(two, processor="priced")
    roles.grant(settings)
    return settings


@pytest.fixture
async def running(least: Settings) -> AsyncIterator[Database]:
    """Such a system's database, as it may use it."""
    async with open_database(least) as database:
        yield database

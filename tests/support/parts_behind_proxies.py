"""The three neighbours of an orderbus, each its own and behind a proxy, for tests to take away."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import psycopg

from orderbus.devtools import emulator
from orderbus.devtools import postgres as local_postgres
from orderbus.devtools.emulator import NativeEmulator
from orderbus.devtools.postgres import NativePostgres
from orderbus.errors import Misconfigured
from tests.support.ports import with_kept_ports
from tests.support.rabbitmq_node import Node
from tests.support.tcp_proxy import TcpProxy
from tests.support.worker_process import elsewhere

#: Whom the processes are to PostgreSQL: the owner of the database, and no superuser, so that it
#: can be told to refuse them.
ROLE: Final = "shop"


class PartsBehindProxies:
    """RabbitMQ, PostgreSQL and Pub/Sub: a test may stop them, and cut or slow the way to them."""

    def __init__(self, folder: Path) -> None:
        self.node = Node(folder / "rabbitmq")
        self.postgres = _postgres(folder)
        self.pubsub = _pubsub()
        self.proxies: dict[str, TcpProxy] = {}
        self.vhost = ""
        #: What PostgreSQL said.
        self.said: list[str] = []

    async def start(self) -> dict[str, str]:
        """Start PostgreSQL and Pub/Sub; returns the variables that lead through the proxies."""
        await asyncio.gather(self.postgres.start(self.note), self.pubsub.start(silent_sink))
        await asyncio.to_thread(self._make_role)
        env = {**self.direct, "RABBITMQ_URL": self.node.vhost(), "DB_USER": ROLE}
        self.vhost = env["RABBITMQ_URL"].rpartition("/")[2]
        return env | self._through_proxies(env)

    async def stop(self) -> None:
        await asyncio.gather(self.postgres.stop(), self.pubsub.stop())

    def close(self) -> None:
        for proxy in self.proxies.values():
            proxy.close()
        self.node.close()

    @property
    def direct(self) -> dict[str, str]:
        """The variables that lead to PostgreSQL, as a superuser, and Pub/Sub past every proxy."""
        return {**self.postgres.env, **self.pubsub.env}

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

    def fill_disk(self) -> None:
        """Have every write of orderbus fail as on a full disk."""
        self.execute(
            "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100';"
            " END $$",
            *(
                f"CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE OR DELETE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION disk_full()"
                for table in ("orders.orders", "ops.outbox", "ops.inbox", "ops.webhook_deliveries")
            ),
        )

    def free_disk(self) -> None:
        self.execute("DROP FUNCTION disk_full CASCADE")

    def _through_proxies(self, env: dict[str, str]) -> dict[str, str]:
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

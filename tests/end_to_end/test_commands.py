"""What a newcomer types works as it stands, twice at a time, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from orderbus.devtools.providers import Provider
from tests.support import event_rows, order_rows, samples
from tests.support.dependencies import in_the_way, open_folder, way
from tests.support.system import ROOT, System
from tests.support.waiting import PATIENCE

PARTS = ("DB_HOST", "RABBITMQ_URL", "PUBSUB_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter, too."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def mark() -> str:
    """A variable's value by which a run's processes are told from all others."""
    return f"mark-{uuid4()}"


def environment(mark: str, data: Path) -> dict[str, str]:
    """An environment that names no part, so that private ones are started."""
    named = {name: value for name, value in os.environ.items() if name not in PARTS}
    return {**named, "PYTHONPATH": str(ROOT), "MARK": mark, "ORDERBUS_DATA": str(data)}


async def start(mark: str, data: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orderbus",
        *arguments,
        env=environment(mark, data),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


def alive(mark: str) -> list[str]:
    """List the processes that carry the mark (Linux; elsewhere there is no such list)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().decode().replace("\0", " "))
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
    return found


async def until_none_is_alive(mark: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while alive(mark):
            await asyncio.sleep(0.1)


async def test_two_demos_at_the_same_time_deliver_and_leave_nothing_behind(
    mark: str, folder: Path
) -> None:
    demos = [await start(mark, folder, "demo", "--json", *in_the_way()) for _ in range(2)]

    outputs = await asyncio.gather(*(demo.communicate() for demo in demos))

    assert [demo.returncode for demo in demos] == [0, 0]
    for out, _ in outputs:
        report = json.loads(out)
        assert report["verified"] is True
        assert len(report["steps"]) == 5
        assert [step["step"] for step in report["cart"]["steps"]] == [
            "cart checked out",
            "order.created",
            "order.processing_started",
            "order.completed",
            "order.processed",
        ]
        assert [step["step"] for step in report["shop"]["steps"]] == [
            "booked in",
            "cart checked out",
            "cart checked out",
            "refused",
            "verified",
        ]
        assert report["shop"]["refusal"]["short"][0]["available"] == 0
        assert set(report["parts"]) == {"PostgreSQL", "RabbitMQ", "Pub/Sub"}
    await until_none_is_alive(mark)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
async def test_up_is_ready_takes_orders_and_nothing_outlives_it(
    mark: str, folder: Path, end: signal.Signals
) -> None:
    options = ("--port", "0", "--data", str(folder / "up"), *in_the_way())
    up = await start(mark, folder, "up", "--json", *options)
    assert up.stdout is not None
    async with asyncio.timeout(PATIENCE):
        urls = json.loads(await up.stdout.readline())
    async with aiohttp.ClientSession() as http:
        order = samples.order_body()
        async with http.post(f"{urls['api']}/webhooks/orders/create", json=order) as answer:
            status = answer.status
        async with asyncio.timeout(PATIENCE):
            while True:
                async with http.get(f"{urls['receiver']}received") as answer:
                    received = await answer.json()
                if received:
                    break
                await asyncio.sleep(0.1)
        page = "pubsub_double" if way() is Provider.EMBEDDED else "rabbitmq_management"
        async with http.get(urls[page]) as answer:
            watched = answer.status

    up.send_signal(end)
    await up.communicate()

    assert (status, watched, received[0]["verified"]) == (201, 200, True)
    assert up.returncode == (0 if end is signal.SIGINT else -signal.SIGKILL)
    await until_none_is_alive(mark)


@pytest.mark.native
async def test_the_bridge_stops_after_so_many_messages(system: System) -> None:
    await asyncio.gather(system.start("web"), system.start("workers"))
    for _ in range(3):
        await system.post()

    bridge = await system.command(
        "-m", "orderbus", "subscribe_order_created", "--max-messages", "2"
    )
    code = await system.ended(bridge)

    assert code == 0
    assert await event_rows.count_returned(system.database) == 2


async def test_several_web_processes_share_one_port_and_a_dead_one_is_replaced(
    system: System,
) -> None:
    web = await system.command("run_web.py", "--workers", "2")
    await system.until(lambda: _answers(system), "the web server answers")
    first = await asyncio.to_thread(_children, web.pid)
    os.kill(first[0], signal.SIGKILL)

    async def replaced() -> bool:
        children = await asyncio.to_thread(_children, web.pid)
        return len(children) == 2 and children != first

    await system.until(replaced, "the dead one is replaced")
    await system.until(lambda: _answers(system), "the web server still answers")
    await asyncio.gather(*(system.post() for _ in range(20)))
    web.terminate()

    assert await system.ended(web) == 0
    assert await order_rows.count(system.database) == 20


async def test_a_request_under_way_is_finished_after_sigterm(system: System) -> None:
    web = await system.start("web")
    body = json.dumps(samples.order_body("SO-10045")).encode()
    port = int(system.env["ORDERBUS_WEB_PORT"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        "POST /webhooks/orders/create/ HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    writer.write(head.encode())
    begun = await reader.readuntil(b"\r\n\r\n")
    writer.write(body[:50])
    await writer.drain()

    web.terminate()
    await system.until(lambda: _refuses(port), "new connections are refused")
    writer.write(body[50:])
    await writer.drain()
    answer = await reader.readline()
    writer.close()

    assert b"100" in begun
    assert b"201" in answer
    assert await system.ended(web) == 0


async def test_without_a_secret_the_web_server_refuses_to_start_and_says_why(
    system: System,
) -> None:
    system.env["AUTH"] = "required"

    web = await system.command("run_web.py")
    code = await system.ended(web)

    assert code == 2
    assert "WEBHOOK_SECRET" in await asyncio.to_thread(Path(system.env["LOG"]).read_text)


async def _answers(system: System) -> bool:
    async with system.http.get(f"{system.api}/readyz") as answer:
        return answer.status == 200


async def _refuses(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return True
    writer.close()
    return False


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return sorted(int(line) for line in listed.stdout.split())


async def test_migrate_refuses_settings_that_contradict_what_it_finds(system: System) -> None:
    system.env["PUBSUB_TOPIC_ORDER_CREATED"] += ".other"

    migrate = await system.command("-m", "orderbus", "migrate")
    code = await system.ended(migrate)

    assert code == 2
    assert "belongs to" in await asyncio.to_thread(Path(system.env["LOG"]).read_text)


async def test_migrate_waits_for_the_database_and_then_says_that_it_is_away(
    system: System,
) -> None:
    system.env["DB_PORT"] = "1"

    migrate = await system.command("-m", "orderbus", "migrate", "--wait", "1")
    code = await system.ended(migrate)

    assert code == 3
    assert "waiting for PostgreSQL" in await asyncio.to_thread(Path(system.env["LOG"]).read_text)


async def test_keys_and_endpoints_are_made_listed_and_taken_back(system: System) -> None:
    key = await system.orderbus("keys", "create", "shop")
    endpoint = await system.orderbus("endpoints", "add", "https://shop.example/hooks")
    await system.orderbus("endpoints", "remove", endpoint["id"])

    keys = await system.orderbus("keys", "list")
    endpoints = await system.orderbus("endpoints", "list")

    assert key["key"].startswith("obk_")
    assert [row["name"] for row in keys] == ["shop"]
    assert [row["built_in"] for row in endpoints] == [True]
    assert (await system.orderbus("outbox", "status"))["unpublished"] == 0

"""Two operators type at the same time, and one of them is stopped in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from orderbus import storage
from orderbus.errors import OrderbusError
from orderbus.pubsub.messages import Message
from orderbus.services.kinds import Outside
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.dead_letters import FailedMessage
from tests.support import delivery_rows, jobs, letter_rows, scenario
from tests.support.waiting import until_true

ORDERS = 20


async def dead_letters(database: Database) -> list[int]:
    """Leave a dead letter of a delivery of each of many orders."""
    await scenario.add_endpoint(database)
    for number in range(ORDERS):
        await scenario.place(database, f"SO-{number}")
    await scenario.come_back(database, *await scenario.events(database))
    await delivery_rows.give_up(database)
    await letter_rows.add_of_every_delivery(database)
    return [letter["id"] for letter in await letter_rows.every(database)]


async def held(database: Database, count: int) -> bool:
    """Whether somebody has so many of the letters at this moment."""
    return await letter_rows.count(database) - await letter_rows.count_unlocked(database) == count


def typed(env: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    """Begin a command as an operator does, in a process of its own."""
    command = [sys.executable, "-m", "orderbus", "dead-letters", *arguments, "--json"]
    given = {**os.environ, **env, "SECRET_KEY": "a key for tests"}
    return subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


async def redrive_all(env: dict[str, str], *options: str) -> Any:
    """Type it; whatever is answered, it has to end well."""
    process = typed(env, "redrive", "--all", *options)
    said, errors = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, errors
    return json.loads(said)


async def test_whoever_redrives_all_passes_over_what_another_has_at_this_moment(
    database: Database, env: dict[str, str]
) -> None:
    first, *others = await dead_letters(database)

    async with database.transaction() as connection:
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await storage.dead_letters.lock_open(connection, first)
        said = await redrive_all(env)
    again = await redrive_all(env)

    assert (said["redriven"], said["refused"]) == (len(others), [])
    assert (again["redriven"], again["refused"]) == (1, [])


async def test_two_who_redrive_all_share_them_and_each_is_redriven_once(
    database: Database, env: dict[str, str]
) -> None:
    letters = await dead_letters(database)

    answers = await asyncio.gather(redrive_all(env), redrive_all(env))

    assert sum(answer["redriven"] for answer in answers) == len(letters)
    assert [answer["refused"] for answer in answers] == [[], []]


async def test_whoever_is_killed_while_he_redrives_leaves_the_letter_open_and_keeps_nobody_waiting(
    database: Database, env: dict[str, str]
) -> None:
    letters = await dead_letters(database)
    event = FailedMessage("m-1", "undecodable", "no event", b"{}", {})
    async with database.connection() as connection:
        (last,) = (await storage.dead_letters.add(connection, "pubsub", [event])).values()
    nobody_answers = socket.create_server(("127.0.0.1", 0))
    host, port = nobody_answers.getsockname()
    away = {
        "PUBSUB_EMULATOR_HOST": f"{host}:{port}",
        "ORDERBUS_PUBLISH_TIMEOUT": "600",
        "ORDERBUS_RELAY_LEASE": "700",
    }

    killed = typed({**env, **away}, "redrive", str(last))
    await until_true(lambda: held(database, 1), "it has its letter, and publishes")
    said = await redrive_all(env, "--kind", "delivery")
    killed.kill()
    await asyncio.to_thread(killed.communicate)
    await until_true(lambda: held(database, 0), "its session is gone")
    nobody_answers.close()

    assert said["redriven"] == len(letters)
    rows = await letter_rows.every(database)
    assert [row["id"] for row in rows if row["resolved_at"] is None] == [last]


async def test_a_job_whose_process_is_killed_within_a_step_goes_on_and_does_each_once(
    database: Database, env: dict[str, str], settings: Settings
) -> None:
    await dead_letters(database)
    event = FailedMessage("m-1", "undecodable", "no event", b"{}", {})
    async with database.connection() as connection:
        await storage.dead_letters.add(connection, "pubsub", [event])
    nobody_answers = socket.create_server(("127.0.0.1", 0))
    host, port = nobody_answers.getsockname()
    away = {
        "PUBSUB_EMULATOR_HOST": f"{host}:{port}",
        "ORDERBUS_PUBLISH_TIMEOUT": "600",
        "ORDERBUS_RELAY_LEASE": "700",
    }

    killed = typed({**env, **away}, "redrive", "--all")
    await until_true(lambda: held(database, ORDERS + 1), "its step has all, and publishes")
    killed.kill()
    await asyncio.to_thread(killed.communicate)
    await until_true(lambda: held(database, 0), "its session is gone")
    nobody_answers.close()
    undone = [row["id"] for row in await letter_rows.every(database) if row["resolved_at"] is None]
    published: list[Message] = []
    job = await jobs.finish(
        database, await database.ask(storage.jobs.get, 1), takes(settings, published)
    )

    assert len(undone) == ORDERS + 1
    assert (job.state, job.total, job.done, job.refused) == ("done", ORDERS + 1, ORDERS + 1, 0)
    assert [message.data for message in published] == [b"{}"]
    assert {row["resolution"] for row in await letter_rows.every(database)} == {"redriven"}


def takes(settings: Settings, published: list[Message]) -> Outside:
    """What a step sends to: a Pub/Sub that takes everything, and nobody who has to be woken up."""

    async def publish(messages: Sequence[Message]) -> list[str | OrderbusError]:
        published.extend(messages)
        return ["m" for _ in messages]

    async def nobody(*_: Any) -> None:
        """Hear it, and do nothing."""

    return Outside(settings, nobody, publish, nobody, {})

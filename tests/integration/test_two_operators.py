"""Two operators type at the same time, and one of them is stopped in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

from orderbus import storage
from orderbus.storage.database import Database
from tests.support import delivery_rows, letter_rows, scenario

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


async def redrive_all(env: dict[str, str]) -> Any:
    """Type it; whatever is answered, it has to end well."""
    command = [sys.executable, "-m", "orderbus", "dead-letters", "redrive", "--all", "--json"]
    given = {**os.environ, **env, "SECRET_KEY": "a key for tests"}
    done = await asyncio.to_thread(subprocess.run, command, env=given, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_whoever_redrives_all_passes_over_what_another_has_at_this_moment(
    database: Database, env: dict[str, str]
) -> None:
    first, *others = await dead_letters(database)

    async with database.transaction() as connection:
        await storage.dead_letters.lock_open(connection, first)
        said = await redrive_all(env)
    again = await redrive_all(env)

    assert (said["redriven"], said["refused"]) == (others, [])
    assert (again["redriven"], again["refused"]) == ([first], [])


async def test_two_who_redrive_all_share_them_and_each_is_redriven_once(
    database: Database, env: dict[str, str]
) -> None:
    letters = await dead_letters(database)

    answers = await asyncio.gather(redrive_all(env), redrive_all(env))

    redriven = [letter for answer in answers for letter in answer["redriven"]]
    assert sorted(redriven) == letters
    assert [answer["refused"] for answer in answers] == [[], []]

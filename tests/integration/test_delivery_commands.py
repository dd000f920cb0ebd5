"""Deliveries by hand as an operator types it, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orderbus import storage
from orderbus.services.kinds import Outside
from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import delivery_rows, jobs, scenario
from tests.support.waiting import until_true


async def nothing(_: Mapping[str, int]) -> None:
    """Wake nobody up."""


@pytest.fixture
def outside(settings: Settings) -> Outside:
    return replace(jobs.outside(settings), wake_up=nothing)


async def test_a_command_that_is_killed_in_the_middle_leaves_the_rest_and_nothing_twice(
    database: Database, settings: Settings, env: dict[str, str], outside: Outside
) -> None:
    endpoint = await scenario.add_endpoint(database)
    await delivery_rows.add_many(database, endpoint, 300)
    await delivery_rows.back_off(database, timedelta(hours=5))
    command = ("deliveries", "retry", "--endpoint", str(endpoint), "--rate", "20", "--json")
    typed = subprocess.Popen(  # noqa: ASYNC220 - it is killed
        [sys.executable, "-m", "orderbus", *command],
        env={**os.environ, **env, "SECRET_KEY": "a key for tests"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    await until_true(lambda: _begun(database), "it did some of them")
    typed.send_signal(signal.SIGKILL)
    await asyncio.to_thread(typed.communicate)
    (killed,) = await database.ask(storage.jobs.list_newest, at_most=9)

    finished = await jobs.finish(database, killed, outside)

    assert 0 < killed.done < 300
    assert (finished.total, finished.done, finished.refused) == (300, 300, 0)
    assert await delivery_rows.count_due(database) == 300
    assert finished.asked_by.startswith("command:")


async def _begun(database: Database) -> bool:
    found = await database.ask(storage.jobs.list_newest, at_most=9)
    return bool(found and found[0].done)


async def test_a_command_says_how_many_fit_and_then_what_it_did(
    database: Database, env: dict[str, str]
) -> None:
    endpoint = await scenario.add_endpoint(database)
    await delivery_rows.add_many(database, endpoint, 3)
    await delivery_rows.back_off(database, timedelta(hours=5))

    async def typed(*more: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "orderbus", "deliveries", "retry", "--json"),
            *("--endpoint", str(endpoint), *more),
            env={**os.environ, **env, "SECRET_KEY": "a key for tests"},
            stdout=subprocess.PIPE,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        return json.loads(said)

    counted = await typed("--dry-run")
    assert counted == {"kind": "retry_deliveries", "total": 3, "is_at_least": False}
    assert await delivery_rows.count_due(database) == 0
    done = await typed("--reason", "they are back")

    assert (done["state"], done["done"], done["reason"]) == ("done", 3, "they are back")
    assert await delivery_rows.count_due(database) == 3

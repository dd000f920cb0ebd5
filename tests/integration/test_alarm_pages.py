"""What the pages of alarms say to type does what it says, where there is something to do."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from orderbus.settings import Settings
from orderbus.storage.database import Database
from tests.support import delivery_rows, endpoint_rows, job_rows, jobs, letter_rows, scenario
from tests.support.commands import typed
from tests.support.receiver import Receiver
from tests.unit.test_docs import commands_of

PAGES = sorted((Path(__file__).parents[2] / "docs" / "alarms").glob("*.md"))
#: Processes, and what examines all that is around: each has tests of its own.
ELSEWHERE = {"bridge", "check", "doctor", "migrate", "web", "workers", "--version"}
COMMANDS = sorted(
    {
        command
        for page in PAGES
        for command in commands_of(page)
        if shlex.split(command)[1] not in ELSEWHERE
    }
)


async def make_rows(database: Database, settings: Settings, receiver: Receiver) -> dict[str, str]:
    """Bring about what the alarms are about; returns what ``ID`` is, by what a command is about."""
    gone = await scenario.add_endpoint(database, "https://gone.example/")
    there = await scenario.add_endpoint(database, receiver.url)
    order = await scenario.place(database, "SO-10045")
    await scenario.record(database, await scenario.events(database), wanted={"late": "*"})
    await delivery_rows.give_up(database)
    await letter_rows.add_of_every_delivery(database)
    await scenario.append(database, order)
    await scenario.come_back(database, *await scenario.events(database))
    waiting = (await delivery_rows.ids(database, to=there))[-1]
    await endpoint_rows.disable(database, only=gone)
    failed = await jobs.begin(database, settings, "replay", jobs.of_the_last_hour())
    await job_rows.fail_all(database)
    running = await jobs.begin(database, settings, "replay", jobs.of_the_last_hour())
    return {
        "endpoints": str(gone),
        "there": str(there),
        "orders": str(order.order_id),
        "deliveries": str(waiting),
        "dead-letters": str((await letter_rows.every(database))[-1]["id"]),
        "jobs": str(failed.id),
        "pause": str(running.id),
        "audit": str(gone),
    }


def test_the_pages_have_commands() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("shown", COMMANDS)
async def test_what_a_page_says_to_type_can_be_done(
    shown: str,
    env: dict[str, str],
    database: Database,
    settings: Settings,
    receiver: Receiver,
) -> None:
    ids = await make_rows(database, settings, receiver)
    _, group, *words = shlex.split(shown)
    is_of_living = "--endpoint" in words or words[0] == "test"
    about = "there" if is_of_living else words[0] if words[0] in ids else group
    stands_for = {
        "ID": ids.get(about, ""),
        "URL": f"{receiver.url}moved",
        "WHY": "a test",
        "NAME": "late",
    }

    done = await typed(env, group, *(stands_for.get(word, word) for word in words))

    assert done.exit_code == 0, done.output

"""Two decide about one dead letter at the same moment: one does, and the other is told who did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from orderbus import services, storage
from orderbus.errors import Conflict
from orderbus.settings import Settings
from orderbus.storage.database import Connection, Database
from orderbus.storage.dead_letters import FailedMessage
from orderbus.storage.jobs import Job
from tests.support import audit_rows, delivery_rows, jobs, letter_rows, scenario
from tests.support.api_client import Client, problem
from tests.support.commands import typed
from tests.support.waiting import until_true

PATH = "/api/v1/dead-letters"


async def a_letter(database: Database) -> int:
    """Leave the dead letter of a delivery."""
    await scenario.one_due(database, "https://shop.example/")
    await delivery_rows.give_up(database)
    await letter_rows.add_of_every_delivery(database)
    return await letter_rows.only_id(database)


@asynccontextmanager
async def deciding(database: Database) -> AsyncIterator[Connection]:
    """Decide in a transaction that ends with the block."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield connection


async def somebody_waits(database: Database) -> None:
    async def waits() -> bool:
        return await scenario.count_who_wait(database) == 1

    await until_true(waits, "the other one waits for the letter")


async def discard(database: Database, letter: int) -> None:
    async with database.transaction() as connection:
        await services.dead_letters.discard(connection, letter, note="a test", actor="bob")


async def redrive(database: Database, letter: int) -> None:
    async with database.transaction() as connection:
        await services.dead_letters.redrive(connection, letter, actor="alice")


async def test_of_two_connections_that_decide_at_once_one_does_and_the_other_hears_what_was_done(
    database: Database,
) -> None:
    await scenario.add_endpoint(database)
    for _ in range(5):
        await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    await delivery_rows.give_up(database)
    await letter_rows.add_of_every_delivery(database)

    for letter in await letter_rows.every(database):
        both = (redrive(database, letter["id"]), discard(database, letter["id"]))
        ends = await asyncio.gather(*both, return_exceptions=True)
        (told,) = [str(each) for each in ends if isinstance(each, Conflict)]
        assert None in ends
        done = "redriven" if ends[0] is None else "discarded"
        by = "by alice" if ends[0] is None else "by bob: a test"
        assert f"was {done} at " in told
        assert told.endswith(by)

    assert len(await audit_rows.acts(database)) == len(await letter_rows.every(database))


async def test_a_command_that_meets_a_request_waits_for_its_end_and_names_who_redrove_it(
    database: Database, env: dict[str, str]
) -> None:
    letter = await a_letter(database)

    async with deciding(database) as connection:
        await services.dead_letters.redrive(connection, letter, actor="key 1 back office")
        typing = asyncio.create_task(
            typed(env, "dead-letters", "discard", letter, "--note", "too late")
        )
        await somebody_waits(database)
    said = await typing

    assert said.exit_code == 1
    assert f"Dead letter {letter} was redriven at " in said.stderr
    assert "by key 1 back office" in " ".join(said.stderr.split())
    assert (await letter_rows.only(database))["note"] is None


async def test_a_request_that_meets_a_command_is_answered_who_discarded_it_and_why(
    database: Database, client: Client
) -> None:
    letter = await a_letter(database)

    async with deciding(database) as connection:
        await services.dead_letters.discard(connection, letter, note="agreed", actor="shell alice")
        asking = asyncio.create_task(client.post(f"{PATH}/{letter}/redrive"))
        await somebody_waits(database)
    told = await problem(await asking, 409, "conflict")

    assert told["detail"].startswith(f"Dead letter {letter} was discarded at ")
    assert told["detail"].endswith("by shell alice: agreed")
    assert await delivery_rows.all_are(database, "dead")


async def begin_retry(database: Database, settings: Settings) -> Job:
    wanted = services.delivery_jobs.RetryDeliveries(order="SO-10045")
    return await jobs.begin(database, settings, "retry_deliveries", wanted)


async def test_a_job_that_retries_passes_over_a_letter_that_somebody_decides_about(
    database: Database, settings: Settings
) -> None:
    letter = await a_letter(database)
    job = await begin_retry(database, settings)

    async with deciding(database) as connection:
        await services.dead_letters.redrive(connection, letter, actor="alice")
        finished = await jobs.finish(database, job, jobs.outside(settings))

    assert (finished.done, finished.refused) == (0, 1)
    assert "somebody else is at work on it" in finished.refusals[0]["reason"]
    assert (await letter_rows.only(database))["decided_by"] == "alice"
    assert await delivery_rows.count_due(database) == 1


async def test_a_letter_says_who_began_the_job_that_redrove_it(
    database: Database, settings: Settings
) -> None:
    letter = await a_letter(database)
    job = await begin_retry(database, settings)
    await jobs.finish(database, job, replace(jobs.outside(settings), wake_up=nobody))

    with pytest.raises(Conflict, match=r"redriven at .* by test$"):
        await discard(database, letter)


async def nobody(_: Any) -> None:
    """Wake nobody up."""


async def test_of_two_jobs_that_send_one_message_the_later_one_says_who_sent_it(
    database: Database, settings: Settings
) -> None:
    event = FailedMessage("m-1", "undecodable", "no event", b"{}", {})
    async with database.connection() as connection:
        (letter,) = (await storage.dead_letters.add(connection, "pubsub", [event])).values()
    wanted = services.letter_jobs.RedriveLetters(id=letter)
    both = [await jobs.begin(database, settings, "redrive_dead_letters", wanted) for _ in range(2)]

    async def publish(messages: Any) -> list[str]:
        return ["m" for _ in messages]

    outside = replace(jobs.outside(settings), publish=publish, wake_up=nobody)
    first, second = [await jobs.finish(database, job, outside) for job in both]

    assert (first.done, first.refused) == (1, 0)
    assert (second.done, second.refused) == (0, 1)
    assert "was redriven at" in second.refusals[0]["reason"]

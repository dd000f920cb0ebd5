"""Nothing dead vanishes, and each kind has its way back."""

from __future__ import annotations

from typing import Any

import pytest

from orderbus import services, storage
from orderbus.errors import Conflict
from orderbus.pubsub.messages import Message
from orderbus.services.dead_letters import Redriven
from orderbus.storage.database import Database
from orderbus.storage.dead_letters import FailedMessage
from tests.support import letter_rows


async def bury(database: Database, message_id: str = "one") -> int:
    await services.dead_letters.add_messages(
        database,
        [
            FailedMessage(
                message_id,
                actor="deliver_webhook",
                arguments={"args": [17], "kwargs": {}},
                reason="retries_exhausted",
                error="ZeroDivisionError: by zero",
                traceback="Traceback ...",
            )
        ],
    )
    return await letter_rows.only_id(database)


async def redrive(database: Database, letter: int) -> Redriven:
    async with database.transaction() as connection:
        return await services.dead_letters.redrive(connection, letter)


async def test_a_queue_message_is_kept_with_actor_arguments_error_and_traceback(
    database: Database,
) -> None:
    letter = await bury(database)

    async with database.connection() as connection:
        row = await storage.dead_letters.get(connection, letter)
    assert (row.actor, row.arguments) == ("deliver_webhook", {"args": [17], "kwargs": {}})
    assert "by zero" in row.error
    assert row.traceback


async def test_a_queue_message_that_was_buried_and_not_acknowledged_is_buried_once(
    database: Database,
) -> None:
    letters = [await bury(database) for _ in range(2)]

    assert letters[0] == letters[1]
    assert await letter_rows.count(database) == 1


async def test_a_redriven_queue_message_is_sent_by_whoever_redrives(database: Database) -> None:
    letter = await bury(database)

    owed = await redrive(database, letter)

    assert owed.message == ("deliver_webhook", {"args": [17], "kwargs": {}})
    assert (await letter_rows.only(database))["resolution"] == "redriven"


async def test_a_redrive_that_fails_to_send_leaves_the_letter_open(database: Database) -> None:
    letter = await bury(database)

    async def redrive_and_fail() -> None:
        async with database.transaction() as connection:
            await services.dead_letters.redrive(connection, letter)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await redrive_and_fail()

    assert (await letter_rows.only(database))["resolution"] is None


async def test_what_was_decided_is_decided_once(database: Database) -> None:
    letter = await bury(database)
    await letter_rows.discard(database, letter, note="a test order")

    with pytest.raises(Conflict, match="a test order"):
        await redrive(database, letter)
    with pytest.raises(Conflict, match="a test order"):
        await letter_rows.discard(database, letter, note="once more")


async def test_a_pubsub_message_goes_back_with_its_bytes(database: Database) -> None:
    attributes: dict[str, Any] = {"ce-id": "7"}
    async with database.connection() as connection:
        await storage.dead_letters.add(
            connection,
            "pubsub",
            [FailedMessage("m-1", "undecodable", "not JSON", b"\x00\xff", attributes)],
        )
        (row,) = await letter_rows.listed(connection, kind="pubsub")

    owed = await redrive(database, row.id)

    assert owed.publication == Message(b"\x00\xff", attributes)

"""What senders and endpoints wrote into the database, as an operator sees it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orderbus import storage
from orderbus.commands.cli import main
from orderbus.settings import Settings
from orderbus.storage.database import open_database
from orderbus.storage.dead_letters import FailedMessage
from tests.support import delivery_rows, endpoint_rows, letter_rows, scenario

HOSTILE = "\x1b]0;owned\x07\n\u202e\x9b31m[red]"
SHOWN = r"\x1b]0;owned\x07\n\u202e\x9b31m[red]"


async def fill(settings: Settings) -> dict[str, str]:
    """Put a hostile text wherever somebody else's text is kept; returns what to ask for."""
    async with open_database(settings) as database:
        placed = await scenario.place(database, HOSTILE)
        await scenario.add_endpoint(database)
        await scenario.come_back(database, *await scenario.events(database))
        (delivery,) = await delivery_rows.ids(database)
        await endpoint_rows.disable(database, HOSTILE)
        async with database.connection() as connection:
            await storage.api_keys.add(connection, name=HOSTILE, key_hash=bytes(32), scopes=[])
            await storage.dead_letters.add(
                connection,
                "pubsub",
                [
                    FailedMessage(
                        "message-1", "undecodable", HOSTILE, HOSTILE.encode(), {HOSTILE: HOSTILE}
                    )
                ],
            )
        letter = await letter_rows.only_id(database)
    return {"order": str(placed.order_id), "letter": str(letter), "delivery": str(delivery)}


@pytest.fixture
def asked(env: dict[str, str], settings: Settings) -> dict[str, str]:
    return {**env, **asyncio.run(fill(settings))}


def run(asked: dict[str, str], *arguments: str) -> Result:
    named = [argument.format(**asked) for argument in arguments]
    keys = {"SECRET_KEY": "a key for tests", "ORDERBUS_OPEN_ON_LOOPBACK": "true"}
    return CliRunner(env={**asked, **keys}).invoke(main, named, catch_exceptions=False)


COMMANDS = (
    ("orders", "show", "{order}"),
    ("dead-letters", "list"),
    ("dead-letters", "show", "{letter}"),
    ("deliveries", "list"),
    ("deliveries", "show", "{delivery}"),
    ("endpoints", "list"),
    ("keys", "list"),
)


def test_no_command_lets_a_stored_text_steer_the_terminal(asked: dict[str, str]) -> None:
    for command in COMMANDS:
        said = run(asked, *command).output

        assert all(char.isprintable() or char == "\n" for char in said), (command, said)
        assert SHOWN in said, (command, said)


def test_with_json_every_command_says_the_very_text(asked: dict[str, str]) -> None:
    for command in COMMANDS:
        said = run(asked, *command, "--json").stdout

        line, *_ = said.splitlines()
        assert line.isprintable(), command
        assert HOSTILE in texts(json.loads(line)), command


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [str(value)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("orders", "show", "\udcff"),
        ("consumers", "forget", "\udcff"),
        ("endpoints", "add", "https://shop.example/", "--events", "\udcff"),
        ("dead-letters", "show", str(2**63)),
        ("deliveries", "show", str(2**63)),
        ("deliveries", "list", "--order", "\udcff"),
        ("deliveries", "list", "--cursor", "\udcff"),
        ("deliveries", "list", "--cursor", "W10="),
        ("deliveries", "skip", "1"),
        ("deliveries", "skip", "1", "--reason", "\udcff"),
        ("deliveries", "retry", "1", "--order", "SO-1"),
        ("deliveries", "retry"),
        ("deliveries", "retry", "--state", "dead"),
        ("deliveries", "resend", "--order", ""),
        ("deliveries", "resend", "4711"),
        ("dead-letters", "redrive", str(2**63)),
        ("dead-letters", "discard", str(2**63), "--note", "gone"),
        ("keys", "revoke", str(2**63)),
        ("keys", "create", ""),
    ],
    ids=ascii,
)
def test_what_nothing_could_be_called_is_refused_in_words(
    env: dict[str, str], arguments: tuple[str, ...]
) -> None:
    done = run(env, *arguments)

    assert done.exit_code in {1, 2}
    assert done.stderr.startswith(("Usage:", "orderbus:", "No delivery "))

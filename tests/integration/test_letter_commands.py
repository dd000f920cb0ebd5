"""What is typed about many dead letters."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from orderbus.commands.cli import main
from orderbus.services.letter_jobs import RedriveLetters
from orderbus.settings import Settings
from orderbus.storage.database import open_database
from tests.support import delivery_rows, letter_rows, scenario


def run(env: dict[str, str], *arguments: str) -> Result:
    given = {**env, "SECRET_KEY": "a key for tests"}
    return CliRunner(env=given).invoke(main, ["dead-letters", *arguments], catch_exceptions=False)


def test_the_commands_count_first_and_then_do_it_as_a_job(
    env: dict[str, str], settings: Settings
) -> None:
    async def fill() -> list[int]:
        async with open_database(settings) as database:
            await scenario.add_endpoint(database)
            for number in range(4):
                await scenario.place(database, f"SO-{number}")
            await scenario.come_back(database, *await scenario.events(database))
            await delivery_rows.give_up(database)
            await letter_rows.add_of_every_delivery(database)
            return [letter["id"] for letter in await letter_rows.every(database)]

    first, second, *_ = asyncio.run(fill())

    counted = json.loads(run(env, "redrive", "--like", str(first), "--dry-run", "--json").stdout)
    one = json.loads(run(env, "discard", str(first), "--why", "a test", "--json").stdout)
    twice = run(env, "redrive", str(first), str(second), "--json")
    many = json.loads(run(env, "redrive", "--kind", "delivery", "--rate", "900", "--json").stdout)
    none = run(env, "discard", "--all", "--note", "nothing is left", "--json")

    assert counted == {"would_be_redriven": 4, "is_at_least": False}
    assert one == {"discarded": [first], "refused": []}
    assert json.loads(twice.stdout)["redriven"] == [second]
    assert [each["id"] for each in json.loads(twice.stdout)["refused"]] == [first]
    assert twice.exit_code == 1
    assert (many["redriven"], many["total"], many["state"], many["refused"]) == (2, 2, "done", [])
    assert (json.loads(none.stdout)["discarded"], none.exit_code) == (0, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("redrive",),
        ("redrive", "7", "--all"),
        ("redrive", "7", "--kind", "message"),
        ("redrive", "7", "--dry-run"),
        ("discard", "7"),
        ("discard", "--all", "--note", ""),
        ("discard", "--all", "--note", "a\0b"),
        ("redrive", "--like", "7"),
        ("redrive", "--all", "--rate", "0"),
    ],
)
def test_what_nobody_can_mean_is_refused_in_words(
    env: dict[str, str], arguments: tuple[str, ...]
) -> None:
    refused = run(env, *arguments)

    assert refused.exit_code != 0
    assert "Traceback" not in refused.output
    assert refused.output.strip()


def test_a_filter_says_the_same_in_the_kept_job() -> None:
    given = {"endpoint_id": str(UUID(int=7)), "created_at__gte": "2026-01-02T03:04:05Z"}
    wanted = RedriveLetters.model_validate(given)

    again = RedriveLetters.model_validate(json.loads(wanted.model_dump_json()))

    assert again == wanted
    assert again.wanted().endpoint_id == UUID(int=7)

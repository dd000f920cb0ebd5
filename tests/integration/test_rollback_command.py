"""`orderbus migrate --rollback` says what it would undo and lose, and asks before it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orderbus.commands import terminal
from orderbus.commands.migrate import migrate as migrate_command
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import Database
from tests.support import cart_rows, table_rows
from tests.support.migration_files import NAMES


@pytest.fixture
def type_command(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Type ``orderbus migrate`` with options; ``answer`` is a person's, who is else not there."""
    for name, value in {**env, "SECRET_KEY": "a key for tests"}.items():
        monkeypatch.setenv(name, value)

    async def type_command(*options: str, answer: str | None = None) -> Result:
        monkeypatch.setattr(terminal, "is_person", lambda: answer is not None)
        runner = CliRunner()
        return await asyncio.to_thread(
            runner.invoke, migrate_command, list(options), input=answer, catch_exceptions=False
        )

    return type_command


@pytest.mark.parametrize("number", ["0", "-1", "x"])
async def test_a_rollback_takes_one_or_more(type_command: Callable[..., Any], number: str) -> None:
    outcome = await type_command("--rollback", number)

    assert outcome.exit_code == 2
    assert "--rollback" in outcome.stderr


FROM_CARTS_ON = str(len(NAMES) - NAMES.index("0007.order-life"))


async def test_rows_are_lost_only_if_that_is_typed(
    database: Database, type_command: Callable[..., Any]
) -> None:
    await cart_rows.add(database)

    outcome = await type_command("--rollback", FROM_CARTS_ON, "--yes")

    assert outcome.exit_code == 1
    assert "deletes for good: orders.carts: 1 row" in outcome.stderr
    assert "--lose-rows" in outcome.stderr
    assert await cart_rows.count(database) == 1

    outcome = await type_command("--rollback", FROM_CARTS_ON, "--yes", "--lose-rows")

    assert outcome.exit_code == 0
    assert not await table_rows.is_there(database, "orders.carts")


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (None, 1, "add --yes"),
        ("n\n", 1, "Nothing was changed"),
        ("y\n", 0, f"undoes {NAMES[-1]}"),
    ],
)
async def test_somebody_is_asked_before_anything_is_undone(
    settings: Settings, type_command: Callable[..., Any], answer: str | None, code: int, said: str
) -> None:
    outcome = await type_command("--rollback", "1", answer=answer)

    assert outcome.exit_code == code
    assert said in " ".join(outcome.stderr.split())
    assert migrations.level(settings).missing == ([NAMES[-1]] if code == 0 else [])


async def test_what_answers_a_rollback_is_refused_without_one(
    type_command: Callable[..., Any],
) -> None:
    assert (await type_command("--lose-rows")).exit_code == 2

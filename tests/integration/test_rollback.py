"""A migration can be undone without surprise: it is said what is lost, and nothing breaks."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import yoyo

from orderbus.errors import Busy, Refused
from orderbus.settings import Settings
from orderbus.storage import migrations
from orderbus.storage.database import Database
from orderbus.storage.rollback_losses import Loss
from tests.support import endpoint_rows, order_rows, random_rows, scenario, table_rows
from tests.support.migration_files import (
    CHANGES_WHAT_IS_NOT_THERE,
    DROPS_THAT_TABLE,
    MAKES_A_TABLE,
    NAMES,
    RENAMES_THAT_TABLE,
)
from tests.support.waiting import PATIENCE

#: Tests that share the migrations: one by itself would take long.
PARTS = 4


@contextmanager
def locked(settings: Settings, wait: float = 30) -> Iterator[None]:
    with migrations.locked(settings, wait=timedelta(seconds=wait), waiting=print):
        yield


def down(settings: Settings, newest: int) -> migrations.Undoing:
    """Undo what was foreseen, and agree to all of it."""
    with locked(settings):
        foreseen = migrations.rollback(settings, newest=newest, agreed=None)
        migrations.rollback(settings, newest=newest, agreed=foreseen.losses)
    return foreseen


def up(settings: Settings) -> list[str]:
    with locked(settings):
        return migrations.migrate(settings)


@pytest.mark.parametrize("part", range(PARTS))
async def test_with_rows_in_all_tables_every_migration_goes_down_and_all_go_up_again(
    database: Database, settings: Settings, part: int
) -> None:
    """Each rollback tries by itself whether what it undid could be applied again."""
    first, last = (len(NAMES) * each // PARTS for each in (part, part + 1))
    if newer := len(NAMES) - last:
        await asyncio.to_thread(down, settings, newer)
    for name in reversed(NAMES[first:last]):
        async with database.connection() as connection:
            filled = await random_rows.fill(connection)
        assert [table for table, rows in filled.items() if rows == 0] == []

        undone = await asyncio.to_thread(down, settings, 1)

        assert undone.names == [name]
    assert await asyncio.to_thread(up, settings) == NAMES[first:]


async def test_a_rollback_says_how_many_rows_of_which_table_it_would_lose(
    database: Database, settings: Settings
) -> None:
    async with database.connection() as connection:
        filled = await random_rows.fill(connection)

    foreseen = await asyncio.to_thread(down, settings, len(NAMES))

    said = {loss.table: loss.count for loss in foreseen.losses if loss.column is None}
    brought_along = {"orders.moves": 18, "ops.relay_breaker": 1, "ops.retention": 1}
    assert said == {
        table: rows - brought_along.get(table, 0)
        for table, rows in filled.items()
        if rows > brought_along.get(table, 0)
    }


async def test_what_a_column_held_is_lost_with_it(database: Database, settings: Settings) -> None:
    await asyncio.to_thread(down, settings, len(NAMES) - NAMES.index("0006.consumers") - 1)
    for pattern in ("order.*", "cart.*", "*"):
        await endpoint_rows.add_as_first_kept(database, pattern)

    foreseen = await asyncio.to_thread(down, settings, 1)

    assert foreseen.losses == [Loss("ops.webhook_endpoints", "events", 2)]


async def test_what_is_found_out_anew_is_not_said_to_be_lost(
    database: Database, settings: Settings
) -> None:
    await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))

    foreseen = await asyncio.to_thread(
        down, settings, len(NAMES) - NAMES.index("0010.watermarks-are-a-cache")
    )

    assert foreseen.losses == []


async def test_what_would_be_lost_beyond_what_was_agreed_to_is_not_lost(
    database: Database, settings: Settings
) -> None:
    def agree_to_nothing() -> None:
        with locked(settings):
            migrations.rollback(settings, newest=len(NAMES), agreed=[])

    await scenario.place(database)

    with pytest.raises(Refused, match=r"More would be lost .* orders\.orders: 1 row"):
        await asyncio.to_thread(agree_to_nothing)

    assert await order_rows.count(database) == 1
    assert await asyncio.to_thread(up, settings) == []


@pytest.fixture
def add_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Add a newest migration to a copy of ours."""

    def add(apply: str, rollback: str) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(migrations.FOLDER, folder)
        (folder / "9999.bad.sql").write_text(f"-- depends: {NAMES[-1]}\n{apply}\n")
        (folder / "9999.bad.rollback.sql").write_text(f"{rollback}\n")
        monkeypatch.setattr(migrations, "FOLDER", folder)

    return add


@pytest.mark.parametrize(
    ("rollback", "why"),
    [
        (CHANGES_WHAT_IS_NOT_THERE, "9999.bad cannot work, nothing was changed"),
        (RENAMES_THAT_TABLE, "9999.bad could not be applied again"),
    ],
)
async def test_a_rollback_that_cannot_work_is_refused_before_anything_changed(
    settings: Settings, add_migration: Callable[[str, str], None], rollback: str, why: str
) -> None:
    leaves_behind = f"{MAKES_A_TABLE} CREATE INDEX extra_x ON ops.extra (x);"
    add_migration(leaves_behind, rollback)
    await asyncio.to_thread(up, settings)

    with pytest.raises(Refused, match=why):
        await asyncio.to_thread(down, settings, 2)

    level = migrations.level(settings)
    assert (level.newest, level.missing) == ("9999.bad", [])


@pytest.mark.parametrize("state", ["55P03", "40P01"], ids=["lock timeout", "deadlock"])
async def test_a_rollback_beside_traffic_that_is_in_its_way_says_so_and_changes_nothing(
    settings: Settings, add_migration: Callable[[str, str], None], state: str
) -> None:
    in_the_way = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$;"
    add_migration("SELECT 1;", in_the_way)
    await asyncio.to_thread(up, settings)

    with pytest.raises(Busy, match="is in use: nothing was changed, try again"):
        await asyncio.to_thread(down, settings, 1)

    assert migrations.level(settings).newest == "9999.bad"


async def test_a_migration_that_cannot_be_applied_leaves_nothing_behind(
    database: Database, settings: Settings, add_migration: Callable[[str, str], None]
) -> None:
    add_migration(f"{MAKES_A_TABLE} SELECT 1 / 0;", DROPS_THAT_TABLE)

    with pytest.raises(Refused, match=r"9999\.bad cannot be applied, nothing was changed"):
        await asyncio.to_thread(up, settings)

    assert not await table_rows.is_there(database, "ops.extra")


async def test_a_migration_and_the_note_that_it_is_applied_commit_together(
    database: Database,
    settings: Settings,
    add_migration: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is killed in between would leave a migration that can never be applied."""

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    add_migration(MAKES_A_TABLE, DROPS_THAT_TABLE)
    with monkeypatch.context() as patched:
        patched.setattr(yoyo.backends.DatabaseBackend, "mark_one", die)
        with pytest.raises(SystemExit):
            await asyncio.to_thread(up, settings)

    assert await asyncio.to_thread(up, settings) == ["9999.bad"]


async def test_a_rollback_by_a_version_that_does_not_know_the_newest_migration_is_refused(
    settings: Settings, add_migration: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = migrations.FOLDER
    add_migration(MAKES_A_TABLE, DROPS_THAT_TABLE)
    await asyncio.to_thread(up, settings)
    monkeypatch.setattr(migrations, "FOLDER", ours)

    with pytest.raises(Refused, match=r"does not know 9999\.bad"):
        await asyncio.to_thread(down, settings, 1)


async def test_yoyos_lock_that_a_killed_migration_left_keeps_nobody_out(
    database: Database, settings: Settings
) -> None:
    await scenario.value(
        database, "INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, '2026-01-01', 4711)"
    )

    assert await asyncio.to_thread(up, settings) == []
    assert await scenario.value(database, "SELECT count(*) FROM yoyo_lock") == 0


async def test_one_that_hangs_is_named_and_whoever_ends_it_goes_on(settings: Settings) -> None:
    with locked(settings):
        with pytest.raises(Busy, match=r"SELECT pg_terminate_backend\(\d+\)") as refused:
            await asyncio.to_thread(lambda: _enter(settings))
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            connection.execute(f"SET statement_timeout = '{PATIENCE} s'")
            connection.execute(str(refused.value).split("end it: ")[1].encode())

        await asyncio.to_thread(lambda: _enter(settings, wait=PATIENCE))


def _enter(settings: Settings, wait: float = 0) -> None:
    with locked(settings, wait):
        pass

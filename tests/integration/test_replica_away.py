"""A replica that is away costs whoever reads nothing but the primary's time."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

import pytest

from orderbus import storage
from orderbus.commands import examine_replica
from orderbus.commands.findings import Finding, Verdict
from orderbus.settings import Settings
from orderbus.storage.database import Connection, open_database
from orderbus.storage.replica import Standing
from tests.support import scenario
from tests.support.api_client import placed
from tests.support.replica_reads import (
    Counted,
    Traffic,
    does_without,
    read,
    reading,
    uses_replica,
    write,
)
from tests.support.replicated import Pair
from tests.support.waiting import PATIENCE, until_true

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("number", "whole"), [(signal.SIGKILL, False), (signal.SIGSTOP, False), (signal.SIGSTOP, True)]
)
async def test_a_replica_that_goes_away_under_load_fails_no_read_and_is_used_again_when_it_is_back(
    pair: Pair, number: signal.Signals, *, whole: bool
) -> None:
    async with reading(pair) as client:
        order = (await placed(client))["id"]
        await asyncio.to_thread(pair.until_caught_up)
        traffic = Traffic(client, order)
        await traffic.more()
        pids = pair.pids() if whole else pair.pids()[:1]

        pair.send(pids, number)
        if whole or number == signal.SIGKILL:  # else those who are connected are answered
            await until_true(lambda: does_without(client), "the replica is away")
        await traffic.more()
        if number == signal.SIGSTOP:
            pair.send(pids, signal.SIGCONT)
        else:
            await asyncio.to_thread(pair.start_again)
        await until_true(lambda: uses_replica(client), "the replica answers again")
        counted = Counted()
        await traffic.more()
        statuses = await traffic.stop()

    assert statuses == {200}
    assert counted["replica"] > 0


async def test_a_replica_that_was_promoted_is_one_no_more(pair: Pair) -> None:
    async with reading(pair) as client:
        order = (await placed(client))["id"]
        token = await write(client, order, 1)
        try:
            await asyncio.to_thread(pair.ask_replica, "SELECT pg_promote()")
            await until_true(lambda: does_without(client), "nothing is read of it")
            counted = Counted()
            read_without, read_with = await read(client, order), await read(client, order, token)
        finally:
            await asyncio.to_thread(pair.start_again)

    assert read_with["metadata"] == read_without["metadata"] == {"number": "1"}
    assert (counted["replica"], counted["primary"]) == (0, 2)


async def examined(settings: Settings) -> Finding:
    """Have the doctor look at the replica alone."""
    examination, _ = examine_replica.examinations(settings)["replica"]
    return await examination()


async def test_the_doctor_says_whether_the_replica_keeps_up(pair: Pair) -> None:
    well = await examined(pair.settings(replica_max_lag=timedelta(seconds=PATIENCE)))
    pair.delay("1h")
    settings = pair.settings(replica_max_lag=timedelta(seconds=0.1))
    async with open_database(settings) as database:
        await scenario.place(database)
    behind = await examined(settings)

    assert (well.verdict, behind.verdict) == (Verdict.OK, Verdict.WARNING)
    assert "bytes behind" in behind.found


async def test_a_server_that_is_no_replica_of_ours_is_told_and_not_read_from(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pair.settings()
    primary = {"db_replica_host": "localhost", "db_replica_port": settings.db_port}
    none = await examined(settings.model_copy(update=primary))
    other = Standing(system=1, at=2**62)

    async def written(_: Connection) -> Standing:
        return other

    async with reading(pair) as client:
        monkeypatch.setattr(storage.replica, "written", written)
        await until_true(lambda: does_without(client), "it is seen to be another's")
        foreign = await examined(settings)

    assert (none.verdict, foreign.verdict) == (Verdict.FAULT, Verdict.FAULT)
    assert "no replica" in none.found
    assert "another PostgreSQL" in foreign.found

"""``orderbus jobs``, and the commands that begin one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orderbus import services, storage
from orderbus.commands.cli import main
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from orderbus.storage.jobs import NewJob, Refusal, Step
from tests.support import job_rows, jobs, many_rows
from tests.support.waiting import PATIENCE, until_true

HOSTILE = "\x1b]0;owned\x07\u202e[red]"
SHOWN = r"\x1b]0;owned\x07\u202e[red]"


async def fill(settings: Settings) -> None:
    """Leave job 1, which runs, job 2, which is done, and job 3, whose kind is another's."""
    async with open_database(settings) as database:
        await database.ask(many_rows.events_of_the_last_hour, 30)
        for _ in range(2):
            await jobs.begin(database, settings, "replay", jobs.of_the_last_hour())
        async with database.transaction() as connection:
            refused = Step(29, 1, None, [Refusal("17", HOSTILE)])
            await storage.jobs.advance(connection, 2, refused)
            other = NewJob("other", {"of": HOSTILE}, 1, 1, "key 1 back office", HOSTILE)
            await storage.jobs.add(connection, other)


@pytest.fixture
def asked(env: dict[str, str], settings: Settings) -> dict[str, str]:
    asyncio.run(fill(settings))
    return {**env, "SECRET_KEY": "a key for tests"}


def run(env: dict[str, str], *arguments: str, code: int = 0) -> Result:
    result = CliRunner(env=env).invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def told(env: dict[str, str], *arguments: str) -> Any:
    return json.loads(run(env, *arguments, "--json").stdout)


def test_jobs_are_listed_from_the_newest_on_for_people_and_for_machines(
    asked: dict[str, str],
) -> None:
    table = run(asked, "jobs", "list").stdout.splitlines()
    done = told(asked, "jobs", "list", "--state", "done")
    replays = told(asked, "jobs", "list", "--kind", "replay", "--limit", "1")
    none = run(asked, "jobs", "list", "--state", "failed").stdout

    assert table[0].split()[:4] == ["id", "kind", "state", "total"]
    assert [line.split()[0] for line in table[1:]] == ["3", "2", "1"]
    assert [job["id"] for job in done] == [2]
    assert [job["id"] for job in replays] == [2]
    assert none == "No jobs.\n"


def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are(
    asked: dict[str, str],
) -> None:
    assert "give one of replay" in run(asked, "jobs", "list", "--kind", "play", code=1).stderr


def test_a_job_is_shown_with_what_it_refused_and_steers_no_terminal(asked: dict[str, str]) -> None:
    shown = run(asked, "jobs", "show", "2").stdout
    followed = run(asked, "jobs", "show", "2", "--follow").stdout
    other = run(asked, "jobs", "show", "3").stdout
    whole = told(asked, "jobs", "show", "2")

    assert f"refused      17: {SHOWN}" in shown
    assert followed == shown
    assert f"reason       {SHOWN}" in other
    assert not {"\x1b", "\u202e"} & set(shown + other)
    assert (whole["done"], whole["refused"]) == (29, 1)
    assert whole["refusals"] == [{"subject": "17", "reason": HOSTILE}]


def test_a_job_is_paused_resumed_and_cancelled_with_a_reason(asked: dict[str, str]) -> None:
    lines = [
        run(asked, "jobs", action, "1", "--reason", "so").stdout
        for action in ("pause", "resume", "cancel", "cancel")
    ]
    refused = run(asked, "jobs", "resume", "1", code=1).stderr
    missing = run(asked, "jobs", "pause", "17", code=1).stderr

    assert lines == [
        "job 1 is paused: 0 of 30 done\n",
        "job 1 is running: 0 of 30 done\n",
        *["job 1 is cancelled: 0 of 30 done\n"] * 2,
    ]
    assert "one that is paused or failed can be running" in refused
    assert "No job 17" in missing


REPLAY = ("replay", "--consumer", "count_event", "--since", "2h")


def test_a_replay_is_done_by_whoever_types_it_where_no_worker_is(asked: dict[str, str]) -> None:
    counted = told(asked, *REPLAY, "--dry-run")
    done = told(asked, *REPLAY)
    nothing = told(asked, *REPLAY)

    assert counted == {
        "consumer": "count_event",
        "events": 30,
        "is_at_least": False,
        "given": 0,
        "would_be_given": 30,
    }
    assert done == {
        "consumer": "count_event",
        "events": 30,
        "is_at_least": False,
        "given": 30,
        "job": 4,
        "state": "done",
    }
    assert (nothing["events"], nothing["given"]) == (30, 0)


def begin_to_type(env: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Begin a command as an operator does, in a process of its own."""
    return subprocess.Popen(
        # Where the tests run in the background, SIGINT is ignored, and children inherit that.
        ["env", "--default-signal=INT", sys.executable, "-m", "orderbus", *arguments],
        env={**os.environ, **env, "SECRET_KEY": "a key for tests"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def test_who_is_interrupted_hears_that_the_workers_go_on_and_what_to_type(
    database: Database, settings: Settings, env: dict[str, str]
) -> None:
    await database.ask(many_rows.events_of_the_last_hour, 1_000)
    typed = begin_to_type(env, *REPLAY, "--rate", "1")

    async def is_under_way() -> bool:
        found = await database.ask(storage.jobs.list_newest, at_most=1)
        return bool(found) and found[0].done > 0

    try:
        await until_true(is_under_way, "its first step is committed")
        typed.send_signal(signal.SIGINT)
        _, errors = await asyncio.to_thread(typed.communicate, timeout=PATIENCE)
    finally:
        typed.kill()
    (job,) = await database.ask(storage.jobs.list_newest, at_most=9)
    await job_rows.make_due(database)
    went_on = await services.jobs.step(database, jobs.outside(settings, count_event="*"))

    assert typed.returncode != 0
    assert f"The workers go on. How far it is: orderbus jobs show {job.id} --follow" in errors
    assert "Traceback" not in errors
    assert job.state == "running"
    assert job.asked_by.startswith("command:")
    assert went_on is not None
    assert went_on.done == job.done + 1

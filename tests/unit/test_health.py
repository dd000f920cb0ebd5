"""Whether a process is ready is decided in one place, from what its dependencies answered."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

import orderbus
from orderbus.errors import Unavailable
from orderbus.services import health
from orderbus.services.health import Found, Health
from tests.support.waiting import PATIENCE

NOW = timedelta(0)
UP = {"postgres": True, "rabbitmq": True}
AWAY = Unavailable("away")


@pytest.mark.parametrize(
    ("reports", "stopping", "ready"),
    [
        ([(NOW, UP), (NOW, UP)], False, True),
        ([(NOW, UP), (NOW, UP)], True, False),
        ([(NOW, UP), (NOW, {**UP, "rabbitmq": False})], False, False),
        ([(NOW, UP), (health.SILENCE, UP)], False, False),
        ([(NOW, UP), (NOW, {})], False, False),  # one that has only begun
        ([], False, False),
    ],
)
def test_a_worker_is_ready_if_each_of_its_processes_says_so_and_said_so_lately(
    reports: list[tuple[timedelta, dict[str, bool]]],
    *,
    stopping: bool,
    ready: bool,
) -> None:
    assert health.together(reports, stopping=stopping).ready is ready


def test_a_dependency_is_up_if_every_process_reaches_it() -> None:
    found = health.together([(NOW, UP), (NOW, {**UP, "rabbitmq": False})], stopping=False)

    assert found.dependencies == {"postgres": True, "rabbitmq": False}
    assert found.body() == {
        "ready": False,
        "parts": {"postgres": True, "rabbitmq": False},
        "detail": "RabbitMQ does not answer",
    }


def test_nothing_is_said_of_the_schema_while_postgresql_is_away() -> None:
    body = health.readiness({"postgres": AWAY, "schema": AWAY, "partitions": AWAY}).body()

    assert body["detail"] == "PostgreSQL does not answer, or refuses us"


@pytest.mark.parametrize(
    ("found", "takes_work"),
    [
        ({"postgres": None, "schema": None, "partitions": None}, True),
        ({"postgres": None, "schema": None, "partitions": AWAY}, True),
        ({"postgres": None, "schema": AWAY, "partitions": None}, False),
        ({"postgres": AWAY}, False),
    ],
)
def test_a_worker_takes_messages_only_while_one_could_succeed(
    found: Found, *, takes_work: bool
) -> None:
    assert health.takes_work(found) is takes_work


def test_what_was_not_asked_yet_counts_as_away_and_a_change_is_logged_once() -> None:
    watched = Health("postgres", "rabbitmq")
    states = []

    with structlog.testing.capture_logs() as logs:
        for error in (None, AWAY, AWAY, None, None):
            watched.saw("postgres", error)
            states.append(watched.readiness.dependencies["postgres"])

    assert states == [True, False, False, True, True]
    assert not watched.readiness.ready
    assert [(line["event"], line["part"]) for line in logs] == [
        ("part_away", "postgres"),
        ("part_back", "postgres"),
    ]


async def test_a_question_that_fails_is_an_answer_and_the_next_one_is_asked() -> None:
    watched, asked = Health("rabbitmq"), asyncio.Event()
    answers = iter([AWAY, None])

    async def ask() -> None:
        error = next(answers, None)
        if error is not None:
            raise error
        asked.set()

    watching = asyncio.create_task(watched.watch("rabbitmq", ask))
    async with asyncio.timeout(PATIENCE):
        await asked.wait()
        while not watched.readiness.ready:
            await asyncio.sleep(0)
    watching.cancel()


def test_no_other_module_says_what_is_ready() -> None:
    package = Path(orderbus.__file__).parent
    saying = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if '"ready":' in path.read_text()
    }

    assert saying == {"services/health.py"}

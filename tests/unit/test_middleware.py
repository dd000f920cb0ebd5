"""What becomes of a message is decided by the class of its error."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dramatiq.errors import ActorNotFound
from dramatiq.middleware import Shutdown
from dramatiq.middleware.time_limit import TimeLimitExceeded

from orderbus.actors.broker import broker
from orderbus.domain.retries import DeadLetter, NotCharged, Retry
from orderbus.domain.text import storable
from orderbus.errors import (
    Conflict,
    Invalid,
    Misconfigured,
    NotFound,
    Poisoned,
    Unavailable,
)
from orderbus.worker.retries import failed_message, judge
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
#: RabbitMQ takes a message back that was not acknowledged for so long; older ones after half of it.
CONSUMER_TIMEOUT = timedelta(minutes=15)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Poisoned("?", reason="undecodable"), DeadLetter("undecodable")),
        (NotFound("no such delivery"), DeadLetter("not_found")),
        (Invalid("no"), DeadLetter("invalid")),
        (Conflict("no"), DeadLetter("conflict")),
        (ActorNotFound("newer"), DeadLetter("unknown_actor")),  # type: ignore[no-untyped-call]
        (Shutdown(), None),
        (asyncio.CancelledError(), None),
    ],
)
def test_what_cannot_succeed_is_buried_and_what_was_interrupted_is_left(
    error: BaseException, verdict: DeadLetter | None
) -> None:
    assert judge(error, waits=0, retries=0, max_retries=3) == verdict


@pytest.mark.parametrize("error", [Unavailable("away"), Misconfigured("password changed")])
@pytest.mark.parametrize("waits", [0, 7, 100_000])
def test_a_neighbour_that_is_away_is_waited_for_and_never_counted(
    error: BaseException, waits: int
) -> None:
    verdict = judge(error, waits=waits, retries=3, max_retries=3)

    assert isinstance(verdict, NotCharged)


@pytest.mark.parametrize("error", [ValueError("a bug"), TimeLimitExceeded(), SystemExit(1)])
def test_a_bug_is_tried_again_as_often_as_its_actor_says(error: BaseException) -> None:
    verdicts = [judge(error, waits=5, retries=times, max_retries=2) for times in range(3)]

    first, second, third = verdicts
    assert isinstance(first, Retry)
    assert isinstance(second, Retry)
    assert third == DeadLetter("retries_exhausted")


@pytest.mark.parametrize("waits", range(0, 200, 10))
def test_pauses_grow_from_one_second_to_thirty(waits: int) -> None:
    verdict = judge(Unavailable("away"), waits=waits, retries=0, max_retries=3)

    assert isinstance(verdict, NotCharged)
    assert 1 <= verdict.after.total_seconds() <= 30
    assert waits < 10 or verdict.after.total_seconds() >= 15


def test_a_neighbour_may_ask_for_a_longer_pause_but_not_for_hours() -> None:
    slow, slower = Unavailable("away"), Unavailable("away")
    slow.retry_after, slower.retry_after = timedelta(seconds=20), timedelta(hours=2)

    verdicts = [judge(error, waits=0, retries=0, max_retries=3) for error in (slow, slower)]

    assert verdicts == [NotCharged(timedelta(seconds=20)), NotCharged(timedelta(seconds=30))]


@pytest.mark.parametrize("text", ["plain", "a NUL \0", "half a pair \ud800", "long " * 10_000])
def test_what_is_kept_of_an_error_is_fit_for_its_row(text: str) -> None:
    message = broker.get_actor("publish_outbox").message()
    taken: Any = SimpleNamespace(_message=message, refused=None)

    kept = failed_message(taken, "retries_exhausted", ValueError(text))

    assert kept.traceback is not None
    assert kept.error.startswith("ValueError: ")
    for said, most in ((kept.error, 2_000), (kept.traceback, 20_000)):
        assert said == storable(said)
        assert storable(text)[-4:] in said
        assert len(said) <= most


def test_every_actor_says_its_queue_its_time_limit_and_its_retries() -> None:
    actors = [broker.get_actor(name) for name in broker.get_declared_actors()]

    assert {actor.actor_name for actor in actors} >= {
        "deliver_webhook",
        "publish_outbox",
        "create_order",
        "count_event",
        "process_order",
    }
    for actor in actors:
        limit = timedelta(milliseconds=actor.options["time_limit"])
        assert actor.queue_name == actor.actor_name
        assert timedelta(seconds=1) < limit < CONSUMER_TIMEOUT
        assert "max_retries" in actor.options


def test_the_actors_are_imported_without_settings_and_without_rabbitmq() -> None:
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import orderbus.actors, threading; print(threading.active_count())",
        ],
        cwd="/",
        env=bare,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr

"""Many deliveries at once: after an outage, or where a receiver lost what it had answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from orderbus import services, storage
from orderbus.egress.session import Session
from orderbus.errors import Conflict, Invalid, NotFound
from orderbus.services import delivery_jobs, kinds
from orderbus.services.kinds import Outside
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.jobs import Job
from tests.support import delivery_rows, endpoint_rows, job_rows, jobs, letter_rows, scenario
from tests.support.receiver import Receiver
from tests.support.scenario import deliver
from tests.support.waiting import until_true

ORDERS = 40
EVENTS = 3


async def nothing(_: Mapping[str, int]) -> None:
    """Wake nobody up."""


@pytest.fixture
def outside(settings: Settings) -> Outside:
    return replace(jobs.outside(settings), wake_up=nothing)


async def owe(database: Database, url: str, orders: int = ORDERS) -> UUID:
    """Owe an endpoint three events of each of many orders; the first of each is due."""
    endpoint = await scenario.add_endpoint(database, url, format="compact")
    placed = [await scenario.place(database) for _ in range(orders)]
    for order in placed * (EVENTS - 1):
        await scenario.append(database, order)
    await scenario.come_back(database, *await scenario.events(database))
    return endpoint


async def begin(database: Database, settings: Settings, kind: str, **asked: Any) -> Job:
    wanted = kinds.read(services.jobs.KINDS[kind].filter, asked)
    return await jobs.begin(database, settings, kind, wanted)


async def test_after_an_outage_a_whole_endpoint_is_retried_now_and_order_by_order_in_sequence(
    database: Database, settings: Settings, http: Session, receiver: Receiver, outside: Outside
) -> None:
    endpoint = await owe(database, receiver.url)
    other = await scenario.add_endpoint(database, "https://other.example/")
    receiver.answers = [503] * ORDERS
    await deliver(database, http, settings)
    await delivery_rows.back_off(database, timedelta(hours=5))
    await delivery_rows.add_many(database, other, 5)
    await delivery_rows.back_off(database, timedelta(hours=5))
    assert await scenario.due(database) == []

    job = await begin(database, settings, "retry_deliveries", endpoint_id=str(endpoint))
    finished = await jobs.finish(database, job, outside)
    await deliver(database, http, settings)

    assert (job.total, finished.done, finished.refused) == (ORDERS, ORDERS, 0)
    assert list(receiver.sequences().values()) == [[1, 2, 3]] * ORDERS
    assert await delivery_rows.count_under_way(database) == 0
    assert len(await scenario.due(database)) == 0, "the other endpoint keeps its schedule"


async def test_what_died_in_the_outage_begins_anew_before_what_came_after_it(
    database: Database, settings: Settings, http: Session, receiver: Receiver, outside: Outside
) -> None:
    endpoint = await owe(database, receiver.url, orders=10)
    receiver.answers = [503] * 10
    await deliver(database, http, settings)
    await delivery_rows.leave_one_attempt_to_the_due(database)
    receiver.answers = [503] * 20
    await deliver(database, http, settings)
    await delivery_rows.back_off(database, timedelta(hours=5))
    dead = (await delivery_rows.states(database)).count("dead")

    job = await begin(database, settings, "retry_deliveries", endpoint_id=str(endpoint))
    finished = await jobs.finish(database, job, outside)
    await deliver(database, http, settings)

    assert dead == 10
    assert (job.total, finished.done) == (20, 20)
    assert list(receiver.sequences().values()) == [[1, 2, 3]] * 10
    assert {each["resolution"] for each in await letter_rows.every(database)} == {"redriven"}


async def test_a_letter_that_was_discarded_stays_dead_whatever_is_retried(
    database: Database, settings: Settings, outside: Outside
) -> None:
    endpoint = await owe(database, "https://shop.example/", orders=2)
    await delivery_rows.give_up(database)
    await letter_rows.add_of_every_delivery(database)
    await letter_rows.discard_all(database)

    job = await begin(database, settings, "retry_deliveries", endpoint_id=str(endpoint))

    assert (await jobs.finish(database, job, outside)).done == 0
    assert await delivery_rows.all_are(database, "dead")


async def test_a_line_that_is_skipped_lets_none_of_itself_go_on_the_way(
    database: Database, settings: Settings, outside: Outside
) -> None:
    """Else a worker would send the second one between the first step and the next."""
    endpoint = await owe(database, "https://shop.example/", orders=2)
    heads = await scenario.due(database)
    wanted = {"endpoint_id": str(endpoint), "reason": "agreed with them"}
    job = await begin(database, settings, "skip_deliveries", **wanted)
    async with database.connection() as connection:
        await job_rows.set_rate(connection, job.id, 1)

    seen = []
    while (await database.ask(storage.jobs.get, job.id)).state == "running":
        await job_rows.make_due(database)
        await services.jobs.step(database, outside, job_id=job.id)
        seen.append(set(await scenario.due(database)))

    assert len(seen) >= 2 * EVENTS
    assert all(due <= set(heads) for due in seen)
    assert await delivery_rows.all_are(database, "skipped")
    (shown, *_) = await database.ask(storage.delivery_views.show, await delivery_rows.ids(database))
    assert (shown.decided_by, shown.decided_reason) == ("test", "agreed with them")


async def test_what_comes_after_a_job_began_is_not_skipped_and_goes_on(
    database: Database, settings: Settings, outside: Outside
) -> None:
    endpoint = await scenario.add_endpoint(database)
    order = await scenario.place(database)
    await scenario.come_back(database, *await scenario.events(database))
    wanted = {"endpoint_id": str(endpoint), "reason": "agreed with them"}
    job = await begin(database, settings, "skip_deliveries", **wanted)
    await scenario.append(database, order)
    await scenario.come_back(database, *(await scenario.events(database))[1:])

    finished = await jobs.finish(database, job, outside)

    assert (finished.total, finished.done) == (1, 1)
    first, second = await delivery_rows.ids(database)
    assert await scenario.due(database) == [second]
    assert (await scenario.state(database, first))["state"] == "skipped"


async def test_what_was_delivered_in_a_time_is_sent_once_more_with_equal_ids_and_bytes(
    database: Database, settings: Settings, http: Session, receiver: Receiver, outside: Outside
) -> None:
    endpoint = await owe(database, receiver.url, orders=10)
    await deliver(database, http, settings)
    first = [(each.headers["webhook-id"], each.content) for each in receiver.requests]
    began = datetime.now(UTC)
    await owe_more(database)
    await deliver(database, http, settings)
    receiver.requests.clear()

    asked = {"endpoint_id": str(endpoint), "until": began.isoformat()}
    job = await begin(database, settings, "resend_deliveries", **asked)
    finished = await jobs.finish(database, job, outside)
    await deliver_everything(database, http, settings)

    again = [(each.headers["webhook-id"], each.content) for each in receiver.requests]
    assert (job.total, finished.done) == (30, 30)
    assert sorted(again) == sorted(first)
    assert list(receiver.sequences().values()) == [[1, 2, 3]] * 10


async def deliver_everything(database: Database, http: Session, settings: Settings) -> None:
    """Attempt what is due, and what was due too early, until nothing is owed."""

    async def delivered() -> bool:
        await delivery_rows.make_due(database)
        await deliver(database, http, settings)
        return await delivery_rows.all_are(database, "delivered")

    await until_true(delivered, "everything is delivered")


async def owe_more(database: Database) -> None:
    for _ in range(3):
        await scenario.place(database)
    await scenario.come_back(database, *(await scenario.events(database)))


async def test_two_who_retry_at_once_make_each_due_once(
    database: Database, settings: Settings, outside: Outside
) -> None:
    endpoint = await owe(database, "https://shop.example/")
    await delivery_rows.back_off(database, timedelta(hours=5))
    asked = {"endpoint_id": str(endpoint)}
    both = [await begin(database, settings, "retry_deliveries", **asked) for _ in range(2)]

    finished = await asyncio.gather(*(jobs.finish(database, job, outside) for job in both))

    assert [job.state for job in finished] == ["done", "done"]
    assert sum(job.done for job in finished) == ORDERS
    assert len(await scenario.due(database)) == ORDERS


async def test_what_is_under_way_is_refused_by_name_and_the_others_are_done(
    database: Database, settings: Settings, outside: Outside
) -> None:
    endpoint = await owe(database, "https://shop.example/", orders=3)
    first, *_ = await scenario.due(database)
    assert await scenario.claim(database, first) is not None
    asked = {"endpoint_id": str(endpoint), "reason": "agreed with them"}

    job = await begin(database, settings, "skip_deliveries", **asked)
    finished = await jobs.finish(database, job, outside)

    assert (finished.done, finished.refused) == (3 * EVENTS - 1, 1)
    (refusal,) = finished.refusals
    assert refusal["subject"] == str(first)
    assert "under way" in refusal["reason"]


async def test_nothing_is_retried_to_a_disabled_endpoint_and_it_is_said_what_to_type(
    database: Database, settings: Settings
) -> None:
    endpoint = await owe(database, "https://shop.example/", orders=1)
    await endpoint_rows.disable(database)
    with pytest.raises(Conflict, match=f"orderbus endpoints enable {endpoint}"):
        await begin(database, settings, "retry_deliveries", endpoint_id=str(endpoint))

    await endpoint_rows.remove_all(database)
    with pytest.raises(NotFound):
        await begin(database, settings, "retry_deliveries", endpoint_id=str(endpoint))
    with pytest.raises(NotFound):
        await begin(database, settings, "retry_deliveries", order="SO-nobody")


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"state": "dead"},
        {"endpoint_id": "x"},
        {"order": "a\x00b"},
        {"order": ""},
        {"order": "x" * 256},
        {"status": 99},
        {"status": "503; DROP TABLE"},
        {"error": 7},
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"endpoint": "0b7e2f3c-5a0f-4a53-9d6f-5a3c5f0e2b11"},
        {"order": "SO-1", "state": "delivered"},
        {"order": "SO-1", "reason": "a\x00b"},
    ],
)
def test_a_filter_that_is_empty_or_odd_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        kinds.read(delivery_jobs.RetryDeliveries, asked)


def test_nothing_is_skipped_without_a_reason() -> None:
    with pytest.raises(Invalid, match="reason"):
        kinds.read(delivery_jobs.SkipDeliveries, {"order": "SO-1"})


async def test_what_was_dead_and_fails_anew_is_not_retried_again_by_the_same_job(
    database: Database, settings: Settings, http: Session, receiver: Receiver, outside: Outside
) -> None:
    """The dead are retried first: what fails before the others' turn waits for a later try, too."""
    endpoint = await owe(database, receiver.url, orders=4)
    receiver.answers = [503] * 4
    await deliver(database, http, settings)
    await delivery_rows.back_off(database, timedelta(hours=5))
    dead, waiting, *_ = await scenario.due_later(database)
    await delivery_rows.give_up(database, only=dead)
    await letter_rows.add_of(database, dead)
    job = await begin(database, settings, "retry_deliveries", endpoint_id=str(endpoint))

    await services.jobs.step(database, outside, job_id=job.id)
    receiver.answers = [503]
    await deliver(database, http, settings)
    await delivery_rows.back_off(database, timedelta(hours=5))
    finished = await jobs.finish(database, job, outside)

    assert (job.total, finished.done, finished.refused) == (4, 4, 0)
    due = await scenario.due(database)
    assert (dead in due, waiting in due) == (False, True)

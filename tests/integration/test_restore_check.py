"""A database of yesterday beside a Pub/Sub of today: no number stands for two events."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from orderbus import services
from orderbus.domain.events import Numbered
from orderbus.errors import Conflict
from orderbus.pubsub import peek, topology
from orderbus.pubsub.publisher import open_publisher
from orderbus.services.orders import Placed
from orderbus.services.outbox import Relay
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database
from tests.conftest import settings_from
from tests.support import event_rows, letter_rows, order_rows, outbox_rows, scenario, watermark_rows
from tests.support.databases import copied
from tests.support.receiver import Receiver
from tests.support.waiting import until_true

MARGIN = 50


async def publish_all(database: Database, settings: Settings) -> None:
    async with open_publisher(settings) as publisher:
        relay = Relay(database, publisher, settings)
        await until_true(lambda: _published(relay, database), "everything is published")


async def _published(relay: Relay, database: Database) -> bool:
    await relay.publish_due()
    return await outbox_rows.are_all_published(database)


async def tell(database: Database, http: Any, settings: Settings) -> None:
    """Have everything come back that was published, and deliver it."""
    await scenario.come_back(database, *await scenario.events(database))
    await scenario.deliver(database, http, settings)


def restore_check(env: dict[str, str], *options: str) -> tuple[int, Any]:
    """Type the command; returns its exit code and what it says to a machine."""
    ran = subprocess.run(
        [sys.executable, "-m", "orderbus", "restore-check", "--json", *options],
        env={**os.environ, **env, "SECRET_KEY": "a key for tests", "AUTH": "open"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.stdout, ran.stderr
    return ran.returncode, json.loads(ran.stdout)


@contextmanager
def bridge(env: dict[str, str]) -> Iterator[None]:
    """Run the real bridge; without RabbitMQ it wakes up nobody."""
    given = {"SECRET_KEY": "a key for tests", "AUTH": "open", "ORDERBUS_BRIDGE_METRICS_PORT": "0"}
    given["RABBITMQ_URL"] = "amqp://nobody:nobody@127.0.0.1:1/"
    process = subprocess.Popen(
        [sys.executable, "-m", "orderbus", "bridge"], env={**os.environ, **env, **given}
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@pytest.fixture
def env_of_old(env: dict[str, str]) -> dict[str, str]:
    """The same orderbus on the database of yesterday, once it is made."""
    return {**env, "DB_NAME": f"old_{uuid4().hex[:12]}"}


@pytest.fixture
async def orders(
    settings: Settings, env_of_old: dict[str, str], receiver: Receiver, http: Any
) -> AsyncIterator[dict[str, Placed]]:
    """Bring it about: what happened after the backup was told to the receiver, and is in Pub/Sub.

    At the backup all was told of one order, and of the other an event was on its way.
    """
    await topology.ensure(settings)
    async with open_database(settings) as database:
        await scenario.add_endpoint(database, receiver.url)
        orders = {name: await scenario.place(database, name) for name in ("quiet", "on its way")}
        await tell(database, http, settings)
        await scenario.append(database, orders["on its way"])
    with copied(settings.db_name, env_of_old):
        async with open_database(settings) as database:
            for name in ("quiet", "quiet", "on its way"):
                await scenario.append(database, orders[name])
            orders["lost"] = await scenario.place(database, "lost")
            await publish_all(database, settings)
            await tell(database, http, settings)
        yield orders


async def test_the_command_says_which_orders_are_behind_and_which_are_lost(
    orders: dict[str, Placed], env_of_old: dict[str, str]
) -> None:
    code, said = await asyncio.to_thread(restore_check, env_of_old)

    assert code == 1
    assert {each["external_ref"]: (each["here"], each["seen"]) for each in said["behind"]} == {
        "quiet": (1, 3),
        "on its way": (2, 3),
    }
    assert [(each["external_ref"], each["order_id"]) for each in said["lost"]] == [
        ("lost", str(orders["lost"].order_id))
    ]
    assert (said["pointers"], said["looked_at_all"], said["reused"]) == (1, True, [])


async def test_after_a_repair_no_number_stands_for_two_events_and_every_order_goes_on(
    orders: dict[str, Placed], env_of_old: dict[str, str], receiver: Receiver, http: Any
) -> None:
    settings = settings_from(env_of_old)
    code, said = await asyncio.to_thread(restore_check, env_of_old, "--repair", "--margin", "50")
    assert (code, said["repaired"]["orders"]) == (0, 2)

    async with open_database(settings) as database:
        for name in ("quiet", "on its way", "quiet"):
            await scenario.append(database, orders[name])
        await scenario.place(database, "new")
        await publish_all(database, settings)
        with bridge(env_of_old):
            await until_true(lambda: _all_back(database), "every event is back")
        await scenario.deliver(database, http, settings)
        letters = await letter_rows.every(database)
    ids: dict[Any, set[str]] = defaultdict(set)
    numbers: dict[str, list[int]] = defaultdict(list)
    for request in receiver.accepted:
        order, number = request.body["data"]["order_id"], request.body["sequence"]
        ids[order, number].add(request.headers["webhook-id"])
        numbers[order] += [number] * (number not in numbers[order])

    assert {place: found for place, found in ids.items() if len(found) > 1} == {}
    assert numbers["quiet"] == [1, 2, 3, 54, 55]
    assert numbers["on its way"] == [1, 2, 3, 54]
    assert {letter["reason"] for letter in letters} == {"unknown_event"}
    assert len(letters) == 4  # what was told after the backup can be read there


async def _all_back(database: Database) -> bool:
    return await outbox_rows.count(database) == 0


async def test_without_a_repair_a_number_stands_for_two_events_and_the_command_says_so(
    orders: dict[str, Placed], env_of_old: dict[str, str]
) -> None:
    async with open_database(settings_from(env_of_old)) as database:
        await scenario.append(database, orders["quiet"])
    _, said = await asyncio.to_thread(restore_check, env_of_old)

    assert [(each["external_ref"], each["reused"]) for each in said["reused"]] == [("quiet", 1)]


async def test_looking_takes_nothing_away_from_the_bridge(
    orders: dict[str, Placed], env_of_old: dict[str, str], settings: Settings
) -> None:
    first = await peek.peek(settings, at_most=100)
    again = await peek.peek(settings, at_most=100)

    assert {event.event_id for event in first.events} == {event.event_id for event in again.events}
    assert len(first.events) == 5


async def numbered(database: Database, order: Placed, sequence: int) -> Numbered:
    (now,) = {event.occurred_at for event in (await scenario.events(database))[:1]}
    return Numbered(uuid4(), now, order.order_id, sequence, None)


async def repaired(database: Database, *announced: Numbered) -> None:
    compared = await services.restores.compare(database, announced)
    await services.restores.repair(database, compared, margin=MARGIN, actor="test", reason="test")


async def test_an_order_that_nobody_told_about_is_moved_on_as_well(database: Database) -> None:
    """What was acknowledged before cannot be seen any more."""
    order = await scenario.place(database)
    await repaired(database)

    assert await scenario.append(database, order) == 1 + MARGIN + 1


async def test_an_order_that_is_cancelled_may_have_been_changed_too(database: Database) -> None:
    order = await scenario.place(database)
    await order_rows.set_status(database, order.order_id, "cancelled")
    await repaired(database)

    assert await scenario.append(database, order) == 1 + MARGIN + 1


async def test_ids_of_rows_are_left_out_too(database: Database) -> None:
    before = await scenario.place(database)
    await repaired(database)
    after = await scenario.place(database)
    keys = await order_rows.keys(database, [before.order_id, after.order_id])

    assert keys[1] - keys[0] >= 1_000_000


@pytest.mark.parametrize("back", [0, 1, 2])
async def test_what_follows_a_repair_comes_back_in_its_turn(database: Database, back: int) -> None:
    """Whether none, some or all of the order's events were back when it was repaired."""
    order = await scenario.place(database)
    await scenario.append(database, order)
    await scenario.come_back(database, *(await scenario.events(database))[:back])
    await repaired(database)
    last = await scenario.append(database, order)
    for event in await scenario.events(database):
        await scenario.come_back(database, event)

    assert list((await watermark_rows.by_order(database)).values()) == [last]
    assert await event_rows.count_early(database) == 0


async def test_a_number_that_nobody_can_have_given_moves_nothing(database: Database) -> None:
    """Whoever may write to the topic could claim any."""
    order = await scenario.place(database)
    await repaired(database, await numbered(database, order, 10**17))

    assert await scenario.append(database, order) == 1 + MARGIN + 1


async def test_a_repair_is_refused_while_another_process_is_connected(
    database: Database, settings: Settings
) -> None:
    order = await scenario.place(database)
    async with open_database(settings) as other, other.connection():
        with pytest.raises(Conflict, match="1 sessions"):
            await repaired(database)

    assert await scenario.append(database, order) == 2


async def test_a_repair_that_is_typed_twice_leaves_numbers_out_twice(database: Database) -> None:
    order = await scenario.place(database)
    await repaired(database)
    await repaired(database)

    assert await scenario.append(database, order) == 1 + 2 * MARGIN + 1

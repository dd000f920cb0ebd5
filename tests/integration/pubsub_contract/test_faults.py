"""The double has the faults it is told to have, and orderbus gets over each of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from orderbus.devtools.pubsub_double.server import Double, open_admin, open_double
from orderbus.errors import Poisoned, Unavailable
from orderbus.settings import Settings
from tests.integration.pubsub_contract.pubsub import (
    DEADLINE,
    Inbox,
    at,
    bridging,
    numbered,
    publish_until_it_works,
    published,
    publishing,
    until,
)
from tests.support.waiting import PATIENCE


class Told:
    """A double of the test's own, told what to do over HTTP."""

    def __init__(self, double: Double, admin: str, http: aiohttp.ClientSession) -> None:
        self.double = double
        self._admin = admin
        self._http = http

    async def ask(self, method: str = "GET", path: str = "", body: object = None) -> Any:
        async with self._http.request(method, self._admin + path, json=body) as answer:
            content = await answer.json()
            assert answer.status == 200, content
            return content

    async def have(self, **faults: Any) -> None:
        await self.ask("PUT", "faults", faults)

    async def unacknowledged(self) -> int:
        described = await self.ask()
        return sum(each["unacknowledged"] for each in described["subscriptions"].values())

    async def until_all_acknowledged(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.unacknowledged():
                await asyncio.sleep(0.02)


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    async with (
        open_double() as double,
        open_admin(double, 0) as admin,
        aiohttp.ClientSession() as http,
    ):
        yield Told(double, admin, http)


@pytest.fixture
def settings(told: Told) -> Settings:
    return at(told.double.address)


async def test_without_faults_everything_comes_once(told: Told, settings: Settings) -> None:
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await published(publisher, numbered(300))
        await until(lambda: len(inbox.numbers) >= 300)
        await told.until_all_acknowledged()

    assert sorted(inbox.numbers) == list(range(300))


async def test_a_storm_of_nacks_loses_nothing(told: Told, settings: Settings) -> None:
    await told.have(nack=0.5, seed=1)
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await published(publisher, numbered(100))
        await until(lambda: len(inbox.numbers) >= 150)
        await told.have()
        await told.until_all_acknowledged()

    times = Counter(inbox.numbers)
    assert set(times) == set(range(100))
    assert max(times.values()) > 1


async def test_duplicates_have_one_message_id(told: Told, settings: Settings) -> None:
    await told.have(duplicate=1)
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        ids = await published(publisher, numbered(50))
        await until(lambda: len(inbox.numbers) >= 100)

    assert Counter(message.message_id for message in inbox.messages) == dict.fromkeys(ids, 2)


async def test_a_disorder_is_a_disorder(told: Told, settings: Settings) -> None:
    await told.have(reorder=0.5, seed=1)
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await published(publisher, numbered(100))
        await until(lambda: len(inbox.numbers) >= 100)

    assert inbox.numbers != sorted(inbox.numbers)
    assert set(inbox.numbers) == set(range(100))


async def test_what_is_delayed_comes_later(told: Told, settings: Settings) -> None:
    await told.have(delay=0.5)
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        began = time.monotonic()
        await published(publisher, numbered(3))
        await until(lambda: len(inbox.numbers) >= 3)

    assert time.monotonic() - began >= 0.5


async def test_lost_acks_bring_the_message_again_after_its_deadline(
    told: Told, settings: Settings, acked: Counter[str]
) -> None:
    await told.have(expire_acks=1)
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await published(publisher, numbered(3))
        await until(lambda: len(acked) >= 3)
        await told.have()
        await until(lambda: len(inbox.numbers) >= 6)
        await told.until_all_acknowledged()

    assert Counter(inbox.numbers) == {0: 2, 1: 2, 2: 2}


async def test_a_message_that_is_refused_is_poisoned_alone(told: Told, settings: Settings) -> None:
    await told.have(refuse="7")
    async with publishing(settings) as publisher:
        answers = await publisher.publish(numbered(20), deadline=DEADLINE)

    assert {n for n, answer in enumerate(answers) if isinstance(answer, Poisoned)} == {7, 17}
    assert sum(isinstance(answer, str) for answer in answers) == 18


async def test_a_full_server_is_unavailable_and_empties_again(
    told: Told, settings: Settings
) -> None:
    await told.have(full=10)
    inbox = Inbox()
    async with publishing(settings) as publisher:
        await published(publisher, numbered(10))
        (answer,) = await publisher.publish(numbered(1, start=10), deadline=DEADLINE)
        assert isinstance(answer, Unavailable)

        async with bridging(settings, inbox):
            await publish_until_it_works(publisher, numbered(1, start=10))
            await until(lambda: len(inbox.numbers) >= 11)


async def test_an_answer_that_was_lost_leaves_the_message_published(
    told: Told, settings: Settings
) -> None:
    await told.have(lose_answers=1)
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        (answer,) = await publisher.publish(numbered(1), deadline=DEADLINE)
        await until(lambda: inbox.numbers == [0])

    assert isinstance(answer, Unavailable)


async def test_one_that_forgot_everything_is_filled_again(told: Told, settings: Settings) -> None:
    inbox = Inbox()
    async with publishing(settings) as publisher, bridging(settings, inbox):
        await until(lambda: inbox.up)
        await told.ask("POST", "forget")
        await until(lambda: inbox.made == 1)
        await publish_until_it_works(publisher, numbered(3))
        await until(lambda: set(inbox.numbers) == {0, 1, 2})


async def test_one_that_goes_away_comes_back_with_what_it_had(
    told: Told, settings: Settings
) -> None:
    inbox = Inbox()
    async with publishing(settings) as publisher:
        await published(publisher, numbered(3))
        await told.ask("POST", "away", {"seconds": 1})
        assert not (await told.ask())["answers"]
        async with bridging(settings, inbox, ensured=False):
            await until(lambda: len(inbox.numbers) >= 3)

    assert inbox.made == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PUT", "faults", {"nack": 2}, "nack"),
        ("PUT", "faults", {"nack": "NaN"}, "nack"),
        ("PUT", "faults", {"unknown": 1}, "unknown"),
        ("POST", "away", {"seconds": -1}, "seconds"),
        ("POST", "away", {}, "seconds"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_by_name_and_changes_nothing(
    told: Told, method: str, path: str, body: object, field: str
) -> None:
    before = await told.ask()

    with pytest.raises(AssertionError, match=field):
        await told.ask(method, path, body)

    assert await told.ask() == before

"""The topics and subscriptions that have to be there."""

from __future__ import annotations

import asyncio

import pytest

from orderbus.errors import Misconfigured, Unavailable
from orderbus.pubsub import topology
from orderbus.settings import Settings
from tests.conftest import settings_from
from tests.integration.pubsub_contract.pubsub import (
    at,
    clients,
    numbered,
    published,
    publishing,
    pull_all,
)
from tests.support.ports import kept_port


async def test_many_may_make_the_subscription_at_once_and_whoever_made_it_knows(
    settings: Settings,
) -> None:
    answers = await asyncio.gather(*(topology.ensure(settings) for _ in range(8)))

    # Google tells one of them, the emulator sometimes several: it does not make atomically.
    assert any(answers)
    assert not await topology.ensure(settings)
    assert await topology.check(settings) == []


async def test_the_subscription_never_expires_and_its_dead_letters_are_kept(
    settings: Settings,
) -> None:
    await topology.ensure(settings)
    _, google = clients(settings)
    path = topology.subscription_path(settings)

    made = google.get_subscription(subscription=path)
    dead = google.get_subscription(subscription=f"{path}.dead-letter")
    google.close()

    assert made.ack_deadline_seconds == 10
    assert not made.expiration_policy.ttl
    assert made.dead_letter_policy.max_delivery_attempts == 100
    assert made.dead_letter_policy.dead_letter_topic == dead.topic


async def test_what_came_to_nobody_again_and_again_still_comes(settings: Settings) -> None:
    async with publishing(settings) as publisher:
        ids = await published(publisher, numbered(50))
    _, google = clients(settings)
    path = topology.subscription_path(settings)

    for _ in range(4):
        ack_ids = await asyncio.to_thread(pull_all, google, path, set(ids))
        google.modify_ack_deadline(subscription=path, ack_ids=ack_ids, ack_deadline_seconds=1)
    google.close()


async def test_a_subscription_whose_topic_was_deleted_is_made_again(settings: Settings) -> None:
    await topology.ensure(settings)
    publisher, subscriber = clients(settings)
    publisher.delete_topic(topic=topology.topic_path(settings))

    made = await topology.ensure(settings)

    found = subscriber.get_subscription(subscription=topology.subscription_path(settings))
    publisher.transport.close()
    subscriber.close()
    assert made
    assert found.topic == topology.topic_path(settings)


async def test_what_is_missing_or_unfit_is_said_in_sentences(settings: Settings) -> None:
    problems = await topology.check(settings)
    assert len(problems) == 4
    assert all(problem.startswith("There is no projects/") for problem in problems)

    publisher, subscriber = clients(settings)
    other = f"{topology.topic_path(settings)}.other"
    publisher.create_topic(name=other)
    subscriber.create_subscription(
        name=topology.subscription_path(settings), topic=other, request=None
    )
    await topology.ensure(settings)
    publisher.transport.close()
    subscriber.close()

    (problem,) = await topology.check(settings)
    assert other in problem
    assert "PUBSUB_SUBSCRIPTION_ORDER_CREATED" in problem


async def test_a_pubsub_that_is_away_is_unavailable_and_a_bad_name_is_misconfigured(
    pubsub_host: str,
) -> None:
    with pytest.raises(Unavailable):
        await topology.ensure(at(f"127.0.0.1:{kept_port()}"))
    with pytest.raises(Misconfigured):
        await topology.ensure(
            settings_from({"PUBSUB_EMULATOR_HOST": pubsub_host}, pubsub_topic="no")
        )

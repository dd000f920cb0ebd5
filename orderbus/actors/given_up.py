"""What RabbitMQ and Pub/Sub themselves gave up is kept as dead letters, before they forget it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Final

from orderbus import services, storage, telemetry
from orderbus.errors import Unavailable
from orderbus.pubsub.dead_letter_topic import DeadLetterTopic, open_dead_letter_topic
from orderbus.rabbitmq import dead_queues, validation
from orderbus.rabbitmq.broker import Broker
from orderbus.rabbitmq.dead_queues import Dead
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.dead_letters import FailedMessage
from orderbus.worker.retries import LARGEST_KEPT, arguments_of

#: How often each process looks for what was given up.
LOOKS: Final = timedelta(seconds=10)
#: Messages that are taken from Pub/Sub together.
_AT_MOST: Final = 100


async def keep_from_rabbitmq(database: Database, queues: Broker) -> None:
    """Keep what is in the dead queues of all queues; acknowledged once its rows are committed.

    A consumer's queue has its name, also where its code is gone and it has work left. Raises
    ``Unavailable``; then RabbitMQ has what was not kept.
    """
    left = await database.ask(storage.consumptions.names)
    for queue in sorted({*queues.get_declared_queues(), *left}):
        taken = dead_queues.AT_MOST
        while taken >= dead_queues.AT_MOST:
            # RabbitMQ 4 forgets what it is given back again and again.
            await database.ping()
            async with queues.dead_messages(queue) as messages:
                taken = len(messages)
                failed = [_failed(message) for message in messages]
                await services.dead_letters.add_messages(database, failed)


def _failed(dead: Dead) -> FailedMessage:
    sent = dead.message or validation.stand_in(dead.body, dead.queue)
    return FailedMessage(
        sent.message_id,
        dead.reason,
        f"RabbitMQ had it in its dead queue {dead.queue}: {dead.reason}",
        data=dead.body[:LARGEST_KEPT],
        attributes=dead.headers,
        actor=None if dead.message is None else sent.actor_name,
        arguments=None if dead.message is None else arguments_of(sent),
    )


async def keep_from_pubsub(database: Database, topic: DeadLetterTopic) -> None:
    """Keep what Pub/Sub moved to the dead-letter topic; acknowledged once its rows are committed.

    Raises ``Unavailable``; then what was not kept comes again.
    """
    while messages := await topic.take(_AT_MOST):
        await services.dead_letters.add_given_up(database, messages)
        await topic.acknowledge(messages)


async def look_at_pubsub(settings: Settings, database: Database) -> None:
    """Keep what Pub/Sub gives up, for as long as the bridge runs, whatever is away."""
    logged = ""
    async with open_dead_letter_topic(settings) as topic:
        while True:
            error = await _failure(keep_from_pubsub(database, topic))
            if error is not None and repr(error) != logged:
                telemetry.log.error("given_up_not_kept", exc_info=error)
            logged = "" if error is None else repr(error)
            await asyncio.sleep(LOOKS.total_seconds())


async def _failure(work: Awaitable[None]) -> Exception | None:
    """Do ``work``, and say what made it fail, unless something is away: others say that."""
    try:
        await work
    except Unavailable:
        return None
    except Exception as error:  # noqa: BLE001 - a door: events come back all the same
        return error
    return None

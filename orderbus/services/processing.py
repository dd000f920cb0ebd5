"""An order is processed once, whatever dies in between.

The lease is that of the consumption: it ends by itself. An order that is in progress and has no
living worker is gone on with by the next one, under the same idempotency key.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Final, cast

from orderbus import storage
from orderbus.domain import processing
from orderbus.domain.events import ORDER_PROCESSED, Event, rfc3339
from orderbus.domain.processing import Outcome, Priced, Processor, Random, Task
from orderbus.domain.states import Action, Status
from orderbus.domain.text import LONGEST_KEPT, of_error, storable
from orderbus.errors import Conflict, IllegalMove, Misconfigured
from orderbus.resources import Resources
from orderbus.services import orders
from orderbus.services.consumptions import Ours
from orderbus.settings import Settings
from orderbus.storage.database import Connection
from orderbus.storage.orders import Order

ACTOR: Final = "process_order"


def chosen(settings: Settings) -> Processor | None:
    """Make the processor that the settings name, if there is one; raises ``Misconfigured``."""
    match settings.processor:
        case processing.NONE:
            return None
        case processing.RANDOM:
            return Random(
                rate=settings.processing_success_rate, seed=settings.processing_seed or ""
            )
        case processing.PRICED:
            return Priced()
    return _made(settings.processor)


@cache
def _made(path: str) -> Processor:
    module, _, name = path.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, TypeError) as error:
        message = f"ORDERBUS_PROCESSOR names {path}, which cannot be made: {error}"
        raise Misconfigured(message) from error
    if not callable(getattr(made, "process", None)):
        raise Misconfigured(f"ORDERBUS_PROCESSOR names {path}, which has no process(task)")
    return cast("Processor", made)


async def process(held: Resources, event: Event, ours: Ours) -> Outcome | None:
    """Have an order processed; returns what came of it, None where nothing is to be done about it.

    It is in progress from here on, visibly. A worker that was frozen for longer than its lease
    cannot begin: the order may be done with. What the processor raises is raised.
    """
    processor = chosen(held.settings)
    if processor is None:
        return None
    began_with = await _begin(event, ours)
    if began_with is None:
        return None
    task = Task(event, idempotency_key=f"{event.order_id}:{began_with}")
    try:
        return await processor.process(task)
    except Exception as error:
        async with ours() as connection:
            order = await storage.orders.lock(connection, event.order_id)
            await storage.processing.wait(connection, order.order_pk, error=of_error(error))
        raise


async def finish(connection: Connection, event: Event, outcome: Outcome | None) -> None:
    """Write down what came of an order, in the transaction that consumes its event."""
    if outcome is None:
        return
    order = await storage.orders.lock(connection, event.order_id)
    if order.status == Status.IN_PROGRESS:
        await _end(connection, order, outcome, event)
        return
    # What was charged stays written down: somebody has to pay it back.
    said = f"The order was {order.status} meanwhile"
    await storage.processing.finish(connection, order.order_pk, amount=outcome.amount, error=said)


async def fail(connection: Connection, event: Event, error: str) -> None:
    """Let an order fail that could not be processed, in the transaction of its dead letter."""
    order = await storage.orders.lock(connection, event.order_id)
    if order.status in {Status.CREATED, Status.IN_PROGRESS}:
        await _end(connection, order, Outcome(reason=error), event)


async def retry(
    connection: Connection, id_or_ref: str, *, actor: str | None, seen: int | None
) -> Order:
    """Have an order that failed processed anew; shows it as it is still.

    Raises ``NotFound``; ``IllegalMove`` where it has not failed; ``Changed`` as ``orders.cancel``;
    ``Conflict`` where its event is gone, or another try was asked for already.
    """
    order = await orders.lock_as_seen(connection, id_or_ref, seen)
    status = order.status
    if status is not Status.FAILED:
        message = f"An order that is {status} cannot be tried again: only one that failed"
        raise IllegalMove(message, source=status, target=Status.IN_PROGRESS)
    match await storage.processing.begin_again(connection, ACTOR, order.order_pk, actor=actor):
        case "waiting":
            raise Conflict("The order waits for another try already: somebody asked for it before")
        case "gone":
            raise Conflict("The order's event is no longer kept, so it cannot be processed again")
    return order


async def _begin(event: Event, ours: Ours) -> int | None:
    """Take an order into progress, or go on with one whose worker died."""
    async with ours() as connection:
        order = await storage.orders.lock(connection, event.order_id)
        match order.status:
            case Status.CREATED | Status.FAILED:
                sequence = await orders.move(
                    connection,
                    order,
                    Action.START,
                    actor=await _starter(connection, order),
                    traceparent=event.traceparent,
                )
                await storage.processing.begin(connection, order.order_pk, began_with=sequence)
            case Status.IN_PROGRESS:
                return await storage.processing.go_on(connection, order.order_pk)
            case _:
                return None
    return sequence


async def _starter(connection: Connection, order: Order) -> str:
    """Name who begins: this consumer, and for another try whoever asked for it."""
    if order.status != Status.FAILED:
        return ACTOR
    asked_by = await storage.processing.asked_by(connection, order.order_pk)
    return f"{ACTOR} for {asked_by}" if asked_by else ACTOR


async def _end(connection: Connection, order: Order, outcome: Outcome, event: Event) -> None:
    reason = None if outcome.reason is None else storable(outcome.reason)[:LONGEST_KEPT]
    processed_at = await storage.processing.finish(
        connection, order.order_pk, amount=outcome.amount, error=reason
    )
    await orders.move(
        connection,
        order,
        Action.FAIL if outcome.refused else Action.COMPLETE,
        actor=ACTOR,
        reason=reason,
        also=ORDER_PROCESSED,
        beside={
            "processing": {
                "status": "FAILED" if outcome.refused else "SUCCESS",
                "error_message": reason,
                "processed_at": rfc3339(processed_at),
                "amount": None if outcome.amount is None else str(outcome.amount),
            }
        },
        traceparent=event.traceparent,
    )

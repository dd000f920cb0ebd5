"""An order is processed once, whatever dies in between.

The lease is that of the consumption: it ends by itself. An order that is in progress and has no
living worker is gone on with by the next one, under the same idempotency key.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, cast
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.domain import processing, states
from orderbus.domain.events import ORDER_PROCESSED, Event, rfc3339
from orderbus.domain.processing import (
    Always,
    Inventory,
    Outcome,
    Priced,
    Processor,
    Random,
    Task,
)
from orderbus.domain.states import Action, Hold, Status
from orderbus.domain.text import LONGEST_KEPT, of_error, storable
from orderbus.errors import Conflict, Misconfigured
from orderbus.resources import Resources
from orderbus.services import allocating, orders
from orderbus.services.consumptions import Ours, Waits
from orderbus.settings import Settings
from orderbus.storage.database import Connection
from orderbus.storage.events import Happened
from orderbus.storage.orders import Order
from orderbus.storage.processing import Begun
from orderbus.storage.stock import Concerned

ACTOR: Final = "process_order"
#: Whoever releases an order makes it due at once; an hour is for what nobody thought of.
_HELD: Final = Waits("The order is on hold", timedelta(hours=1))


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
        case processing.INVENTORY:
            return Inventory()
        case processing.ALWAYS:
            return Always()
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


async def begin(
    held: Resources, connection: Connection, events: Sequence[Event]
) -> Sequence[Begun | Waits | None]:
    """Take orders into progress, or go on with those whose worker died, visibly from here on.

    Answers for each with how it began, None where nothing is to be done; those on hold wait.
    """
    processor = chosen(held.settings)
    found = await storage.orders.lock_all(connection, [event.order_id for event in events])
    if processor is None:
        await _give_back(connection, zip(found, events, strict=True))  # nobody tries them again
        return [None] * len(events)
    pairs = [pair for pair in zip(found, events, strict=True) if not pair[0].on_hold]
    starting = [pair for pair in pairs if pair[0].status in {Status.CREATED, Status.FAILED}]
    going_on = [order.order_pk for order, _ in pairs if order.status == Status.IN_PROGRESS]
    began: dict[int, Begun | Waits] = {}
    if starting:
        began |= await _start(connection, starting, processor)
    if going_on:
        began |= await storage.processing.go_on(connection, going_on)
    to_be_done = {Status.CREATED, Status.FAILED, Status.IN_PROGRESS}
    began |= {
        order.order_pk: _HELD for order in found if order.on_hold and order.status in to_be_done
    }
    return [began.get(order.order_pk) for order in found]


async def process(held: Resources, event: Event, ours: Ours, begun: Begun | None) -> Outcome | None:
    """Have an order processed; returns what came of it, None where nothing is to be done about it.

    What the processor raises is raised.
    """
    processor = chosen(held.settings)
    if processor is None or begun is None:
        return None
    asks_for = processor.asks_for(event) if isinstance(processor, Priced) else ()
    prices = await held.database.ask(storage.products.prices, asks_for) if asks_for else {}
    task = Task(event, _key(event, begun.began_with), begun.drawn, prices)
    try:
        return await processor.process(task)
    except Exception as error:
        async with ours() as connection:
            order = await storage.orders.lock(connection, event.order_id)
            await storage.processing.wait(connection, order.order_pk, error=of_error(error))
        raise


async def at_once(
    connection: Connection, order: Order, *, actor: str, traceparent: str | None
) -> Order:
    """Process an order in the transaction that stores it: it is completed, and charged its total.

    It moves as any order does, so its history, its events and its webhooks are those of one that a
    worker processed; a worker that comes to its first event finds nothing to do. Shows it then.
    """
    follows: dict[str, Any] = {"traceparent": traceparent, "request_id": telemetry.request_id()}
    start = orders.moving(order, Action.START, actor, **follows)
    (began_with,) = await orders.move(connection, [start])
    await storage.processing.begin(connection, [Begun(order.order_pk, began_with)])
    at = await storage.processing.finish(connection, [(order.order_pk, order.total, None)])
    begun = replace(order, status=Status.IN_PROGRESS)
    ended = _ended(begun, Outcome(amount=order.total), at=at, actor=actor, **follows)
    (sequence,) = await orders.move(connection, [ended])
    return replace(order, status=Status.COMPLETED, event_seq=sequence)


async def finish(
    connection: Connection, events: Sequence[Event], outcomes: Sequence[Outcome | None]
) -> None:
    """Write down what came of orders, in the transaction that consumes their events."""
    done = [(event, one) for event, one in zip(events, outcomes, strict=True) if one is not None]
    # What came of them has to be written down, so it waits for whoever is at work on one.
    ids = [event.order_id for event, _ in done]
    found = await storage.orders.lock_all(connection, ids, wait=True)
    ending = [(order, *pair) for order, pair in zip(found, done, strict=True)]
    in_progress = [each for each in ending if each[0].status == Status.IN_PROGRESS]
    last = await allocating.with_stock(connection, in_progress, actor=ACTOR)
    await _end(connection, [(*pair[:2], one) for pair, one in zip(in_progress, last, strict=True)])
    # What was charged stays written down: somebody has to pay it back.
    moved_meanwhile = [
        (order.order_pk, outcome.amount, f"The order was {order.status} meanwhile")
        for order, _, outcome in ending
        if order.status != Status.IN_PROGRESS
    ]
    if moved_meanwhile:
        await storage.processing.finish(connection, moved_meanwhile)


async def fail(connection: Connection, event: Event, error: str) -> None:
    """Let an order fail that could not be processed, in the transaction of its dead letter.

    One that had failed and was tried again in vain gives back what it took for that.
    """
    order = await storage.orders.lock(connection, event.order_id)
    if order.status in {Status.CREATED, Status.IN_PROGRESS}:
        await _end(connection, [(order, event, Outcome(reason=error))])
    await _give_back(connection, [(order, event)])


async def _give_back(connection: Connection, tried: Iterable[tuple[Order, Event]]) -> None:
    failed = [pair for pair in tried if pair[0].status is Status.FAILED]
    if failed:
        ended = [Concerned(order.order_pk, ACTOR, event.request_id) for order, event in failed]
        await storage.stock.give_back(connection, ended)


async def retry(
    connection: Connection, id_or_ref: str, *, actor: str | None, seen: int | None
) -> Order:
    """Have an order that failed processed anew, with the stock it had; shows it as it is still.

    Raises ``NotFound``; ``IllegalMove`` where it has not failed; ``Changed`` as a move;
    ``Conflict`` where its event is gone, or another try was asked for already; ``OutOfStock`` where
    others have its stock now.
    """
    order = await orders.lock_as_seen(connection, id_or_ref, seen)
    status = order.status
    if status is not Status.FAILED or order.on_hold:
        source = status if status is not Status.FAILED else Hold.HELD
        message = f"An order that is {source} cannot be tried again: only one that failed"
        raise states.illegal(message, order.state, source=source, target=Status.IN_PROGRESS)
    match await storage.processing.begin_again(connection, ACTOR, order.order_pk, actor=actor):
        case "waiting":
            raise Conflict("The order waits for another try already: somebody asked for it before")
        case "gone":
            raise Conflict("The order's event is no longer kept, so it cannot be processed again")
    await allocating.take_again(connection, order, actor=actor or ACTOR)
    return order


async def lock_for_retry(connection: Connection, letters: Sequence[int]) -> None:
    """Lock what ``take_again`` needs for many dead letters, in one order; before the letters."""
    if failed := await storage.processing.lock_failed(connection, ACTOR, letters):
        await storage.allocating_later.lock_given_back(connection, failed)


async def take_again(
    connection: Connection, event_id: UUID, occurred_at: datetime, *, actor: str | None
) -> None:
    """Let the order of a dead letter that is redriven have what it gave back when it failed.

    Its lock comes before the letter's. Raises ``OutOfStock``.
    """
    event = await storage.events.remembered(connection, event_id, occurred_at)
    if event is not None:
        order = await storage.orders.lock(connection, event.order_id)
        if order.status is Status.FAILED:
            await allocating.take_again(connection, order, actor=actor or ACTOR)


async def _start(
    connection: Connection, starting: Sequence[tuple[Order, Event]], processor: Processor
) -> dict[int, Begun]:
    """Take orders into progress; those that had failed in the name of whoever asked for it."""
    failed = [order.order_pk for order, _ in starting if order.status == Status.FAILED]
    asked_by = await storage.processing.asked_by(connection, failed) if failed else {}
    keys = [order.order_pk for order, _ in starting]
    actors = [f"{ACTOR} for {asked_by[key]}" if key in asked_by else ACTOR for key in keys]
    moves = [
        orders.moving(order, Action.START, actor, **_follows(event))
        for (order, event), actor in zip(starting, actors, strict=True)
    ]
    sequences = await orders.move(connection, moves)
    drawn = [
        processor.draw(_key(event, sequence)) if isinstance(processor, Random) else None
        for (_, event), sequence in zip(starting, sequences, strict=True)
    ]
    begun = [Begun(*each) for each in zip(keys, sequences, drawn, strict=True)]
    await storage.processing.begin(connection, begun)
    return {each.order_pk: each for each in begun}


def _key(event: Event, began_with: int) -> str:
    return f"{event.order_id}:{began_with}"


def _follows(event: Event) -> dict[str, Any]:
    """Name what follows from an event as it is named."""
    return {"traceparent": event.traceparent, "request_id": event.request_id}


async def _end(connection: Connection, ending: Sequence[tuple[Order, Event, Outcome]]) -> None:
    finished = [(order.order_pk, one.amount, _reason(one)) for order, _, one in ending]
    if finished:
        at = await storage.processing.finish(connection, finished)
        moves = [
            _ended(order, one, at=at, actor=ACTOR, **_follows(event))
            for order, event, one in ending
        ]
        await orders.move(connection, moves)


def _ended(
    order: Order,
    outcome: Outcome,
    *,
    at: datetime,
    actor: str,
    **follows: Any,  # noqa: ANN401 - as ``orders.moving`` takes it
) -> Happened:
    """Say how an order ends."""
    return orders.moving(
        *(order, Action.FAIL if outcome.refused else Action.COMPLETE, actor),
        reason=_reason(outcome),
        details={"cause": outcome.cause} if outcome.cause else None,
        also=ORDER_PROCESSED,
        beside={
            "processing": {
                "status": "FAILED" if outcome.refused else "SUCCESS",
                "error_message": _reason(outcome),
                "processed_at": rfc3339(at),
                "amount": None if outcome.amount is None else str(outcome.amount),
            },
            **({"cause": outcome.cause} if outcome.cause else {}),
            **({"short": [asdict(line) for line in outcome.short]} if outcome.short else {}),
        },
        **follows,
    )


def _reason(outcome: Outcome) -> str | None:
    """Say what is kept of why it was refused."""
    return None if outcome.reason is None else storable(outcome.reason)[:LONGEST_KEPT]

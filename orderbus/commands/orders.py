"""``orderbus orders``: what became of one order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from orderbus import services
from orderbus.commands import terminal

if TYPE_CHECKING:
    from orderbus.storage.journey import Attempt, Consumption, Delivery, Journey, JourneyEvent


@click.group()
def orders() -> None:
    """Look at orders."""


@orders.command()
@click.argument("order", metavar="ID")
@terminal.with_database
async def show(run: terminal.Run, *, order: str) -> None:
    """Show an order's whole history: events, publications, deliveries and attempts.

    ID is our uuid or the sender's reference.
    """
    journey = await services.order_lists.journey(run.database, order)
    run.answer({"id": journey.order_id, **asdict(journey)}, *_lines(journey))


def _lines(journey: Journey) -> Iterator[str]:
    """Tell the journey line by line, each further in than what it belongs to."""
    yield f"order {journey.external_ref}  {journey.order_id}"
    for event in journey.events:
        yield f"  {event.sequence}. {event.type}  {event.occurred_at}  {event.event_id}"
        yield f"     {_publication(event)}"
        for each in event.consumptions:
            yield f"     {_consumption(each)}"
        for delivery in event.deliveries:
            yield f"     {_delivery(delivery)}"
            for attempt in delivery.attempts:
                yield f"       {_attempt(attempt)}"


def _publication(event: JourneyEvent) -> str:
    if event.state in {"unpublished", "parked", "archived"}:
        return event.state
    text = f"published {event.publishes}x as {event.message_id}  {event.published_at}"
    return f"{text}, back {event.received_at}" if event.received_at else text


def _consumption(consumption: Consumption) -> str:
    text = f"consumer {consumption.consumer}  {consumption.state}"
    return text if consumption.error is None else f"{text}  {consumption.error}"


def _delivery(delivery: Delivery) -> str:
    text = f"delivery {delivery.id}  {delivery.state}  {delivery.url}"
    if delivery.decided_by is not None:
        what = f"sent once more since {delivery.resent_at}" if delivery.resent_at else "skipped"
        text = f"{text}  {what} by {delivery.decided_by}: {delivery.decided_reason or 'no reason'}"
    if delivery.disabled_at is None or delivery.state != "held":
        return text
    since = f"told nothing since {delivery.disabled_at}: {delivery.disabled_reason}"
    return f"{text}  {since}; orderbus endpoints enable {delivery.endpoint}"


def _attempt(attempt: Attempt) -> str:
    came = attempt.status or attempt.error or "no answer known"
    outcome = attempt.outcome or "under way, or its worker died"
    return (
        f"attempt {attempt.number}  {attempt.started_at}  {outcome}  {came}"
        f"  {attempt.duration_ms or '-'} ms"
    )

"""``orderbus orders``: what became of one order."""

from __future__ import annotations

from typing import Any

import click
from rich.tree import Tree

from orderbus import services
from orderbus.commands import terminal
from orderbus.settings import Settings
from orderbus.storage.database import Database


@click.group()
def orders() -> None:
    """Look at orders."""


@orders.command()
@click.argument("order", metavar="ID")
@terminal.as_json
@terminal.with_database
async def show(_: Settings, database: Database, *, order: str, as_json: bool) -> None:
    """Show an order's whole history: events, publications, deliveries and attempts.

    ID is our uuid or the sender's reference.
    """
    journey = await services.orders.journey(database, order)
    if as_json:
        terminal.show(journey)
        return
    terminal.console.print(_tree(journey), highlight=False)


def _tree(journey: dict[str, Any]) -> Tree:
    tree = Tree(terminal.plain(f"order {journey['external_ref']}  {journey['order_id']}"))
    for event in journey["events"]:
        title = f"{event['sequence']}. {event['type']}  {event['occurred_at']}  {event['event_id']}"
        branch = tree.add(terminal.plain(title))
        branch.add(terminal.plain(_publication(event)))
        for each in event["consumptions"]:
            branch.add(terminal.plain(_consumption(each)))
        for delivery in event["deliveries"]:
            where = branch.add(
                terminal.plain(f"delivery {delivery['id']}  {delivery['state']}  {delivery['url']}")
            )
            for attempt in delivery["attempts"]:
                where.add(terminal.plain(_attempt(attempt)))
    return tree


def _publication(event: dict[str, Any]) -> str:
    if event["state"] in {"unpublished", "parked", "archived"}:
        return str(event["state"])
    said = f"published {event['publishes']}x as {event['message_id']}  {event['published_at']}"
    return f"{said}, back {event['received_at']}" if event["received_at"] else said


def _consumption(consumption: dict[str, Any]) -> str:
    said = f"consumer {consumption['consumer']}  {consumption['state']}"
    return said if consumption["error"] is None else f"{said}  {consumption['error']}"


def _attempt(attempt: dict[str, Any]) -> str:
    came = attempt["status"] or attempt["error"] or "no answer known"
    outcome = attempt["outcome"] or "under way, or its worker died"
    return (
        f"attempt {attempt['number']}  {attempt['started_at']}  {outcome}  {came}"
        f"  {attempt['duration_ms'] or '-'} ms"
    )

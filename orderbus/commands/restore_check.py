"""``orderbus restore-check``: an old database beside a living Pub/Sub."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from orderbus import services, storage
from orderbus.commands import terminal
from orderbus.pubsub import peek

if TYPE_CHECKING:
    from orderbus.pubsub.peek import Peeked
    from orderbus.services.restores import Comparison, Repaired

#: Messages that are looked at, and orders that are named.
_LOOKED_AT: Final = 50_000
_NAMED: Final = 20


@click.command("restore-check")
@click.option("--repair", is_flag=True, help="Have every order go on behind what anybody saw.")
@click.option(
    "--margin",
    type=click.IntRange(1, 1_000_000),
    default=1000,
    show_default=True,
    help="With --repair: how many numbers each order leaves out. More than one can have had since.",
)
@click.option("--reason", default="a backup was restored", help="With --repair: for the audit.")
@terminal.with_database
async def restore_check(run: terminal.Run, *, repair: bool, margin: int, reason: str) -> None:
    """Say what a restored database does not know, before workers and bridge begin.

    Compares it with what Pub/Sub still holds; --repair keeps numbers of events from being used
    again. Exits 1 where a number would be, and it was not repaired. See
    docs/running/backup-and-restore.md.
    """
    peeked = await peek.peek(run.settings, at_most=_LOOKED_AT)
    repaired = None
    named = storage.restores.NAME
    async with storage.database.open_database(run.settings, name=named) as database:
        compared = await services.restores.compare(database, peeked.events)
        if repair:
            repaired = await services.restores.repair(
                database, compared, margin=margin, actor=run.actor, reason=reason
            )
    run.answer(_report(compared, peeked, repaired), *_lines(compared, peeked, repaired))
    if compared.behind and repaired is None:
        sys.exit(1)


def _report(compared: Comparison, peeked: Peeked, repaired: Repaired | None) -> dict[str, object]:
    return {
        **asdict(compared.facts),
        "looked_at": compared.looked_at,
        "looked_at_all": not peeked.more,
        "foreign_messages": peeked.foreign,
        "behind": [asdict(each) for each in compared.behind],
        "lost": [asdict(each) for each in compared.lost],
        "reused": [asdict(each) for each in compared.reused],
        "repaired": repaired and asdict(repaired),
    }


def _lines(compared: Comparison, peeked: Peeked, repaired: Repaired | None) -> list[str]:
    facts = compared.facts
    lines = [
        f"The newest thing this database knows: {terminal.cell(facts.newest)} UTC",
        f"Published again: {facts.pointers} events. Sent again: {facts.deliveries} deliveries, "
        f"{facts.attempted} of which were tried before. Done again: {facts.consumptions} "
        "consumptions. Ids stay the same, so receivers know repetitions by webhook-id.",
        f"Pub/Sub holds {compared.looked_at}{' or more' * peeked.more} events of ours, "
        f"{sum(each.events for each in compared.strangers)} of which this database does not know.",
    ]
    for what, orders in (
        ("whose next number was seen already", compared.behind),
        ("that are not in this database: ask their senders to send them again", compared.lost),
        ("that gave a number twice: tell their receivers", compared.reused),
    ):
        if orders:
            lines.append(f"{len(orders)} orders {what}:")
            lines += [
                f"  {each.order_id} {each.external_ref or ''} event {each.seen} was seen, "
                f"{'none' if each.here is None else each.here} is here"
                for each in orders[:_NAMED]
            ]
            lines += [f"  and {len(orders) - _NAMED} more (--json lists all)"] * (
                len(orders) > _NAMED
            )
    if facts.others and repaired is None:
        lines.append(
            f"{facts.others} sessions of orderbus are connected: stop them before --repair."
        )
    return [*lines, _verdict(compared, repaired)]


def _verdict(compared: Comparison, repaired: Repaired | None) -> str:
    if repaired is not None:
        return (
            f"Repaired: {repaired.orders} orders that may have further events go on with higher "
            f"numbers, and {repaired.id_sequences} kinds of rows with higher ids. Start bridge, "
            "workers and web."
        )
    if compared.behind:
        return "Numbers would be used again: orderbus restore-check --repair"
    return (
        f"Nothing that Pub/Sub still holds would be used again. What was acknowledged cannot be "
        f"seen: if this is a restored backup, {compared.facts.open_orders} orders may be behind "
        "all the same: orderbus restore-check --repair"
    )

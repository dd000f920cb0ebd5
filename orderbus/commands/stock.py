"""``orderbus stock``: how much of each product there is, and how that came about."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, BinaryIO, Final

import click
from rich.progress import Progress

from orderbus import services, storage
from orderbus.commands import jobs, terminal
from orderbus.domain.text import brief
from orderbus.errors import Conflict, NotFound

if TYPE_CHECKING:
    from orderbus.storage.stock_views import Difference

#: Exit code of ``verify`` where counters differ from what moved.
DIFFERS: Final = 1
#: Unknown products that a person is shown.
SHOWN: Final = 20


@click.group()
def stock() -> None:
    """Show stock, book it in and out, and verify its counters."""


@stock.command("list")
@click.option("--after", metavar="SKU", help="Only what comes behind it.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@terminal.with_database
async def list_levels(run: terminal.Run, *, after: str | None, limit: int) -> None:
    """List how much of each product there is, by sku."""
    levels = await run.database.ask(storage.stock_views.list_levels, after=after, at_most=limit)
    empty = "No products. Add one: orderbus products add SKU NAME PRICE"
    terminal.show_rows(levels, as_json=run.as_json, empty=empty)


@stock.command()
@click.argument("sku")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@terminal.with_database
async def show(run: terminal.Run, *, sku: str, limit: int) -> None:
    """Show how much of a product there is, and its newest movements."""
    async with run.database.connection() as connection:
        level = await storage.stock_views.level(connection, sku)
        moved = await storage.stock_views.list_movements(
            connection, level.product_id, at_most=limit
        )
    if run.as_json:
        terminal.show({**asdict(level), "movements": [asdict(each) for each in moved]})
        return
    terminal.show_rows([level], as_json=False, empty="")
    terminal.show_rows(moved, as_json=False, empty="Nothing moved yet.")


@stock.command()
@click.argument("sku")
@click.option("--count", type=int, help="So many are on hand, as they were counted.")
@click.option("--delta", type=int, help="So many came in, or with a minus went out.")
@click.option("--expected", type=int, help="Refuse it unless so many are on hand now.")
@click.option("--reason", help="Why; needed for what is counted or goes out.")
@terminal.with_database
async def book(
    run: terminal.Run,
    *,
    sku: str,
    count: int | None,
    delta: int | None,
    expected: int | None,
    reason: str | None,
) -> None:
    """Book stock in or out, or as it was counted."""
    line = storage.stock_bookings.Line(
        sku=sku, count=count, delta=delta, expected=expected, reason=reason
    )
    async with run.database.transaction() as connection:
        (booked,) = await services.stock.book(connection, [line], each_alone=False, actor=run.actor)
    if booked.error == "unknown":
        raise NotFound(f"No product {brief(sku)}")
    if (why := services.stock.refusal(booked)) is not None:
        raise Conflict(f"Nothing was booked: {why}")
    shown = {"sku": sku, "before": booked.before, "after": booked.after, "version": booked.version}
    run.answer(shown, f"{sku}: {booked.before} before, {booked.after} on hand now")


@stock.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--reason", help="Why, for lines that give no reason.")
@click.option("--again", is_flag=True, help="Book a file that was booked already once more.")
@click.option("--dry-run", is_flag=True, help="Only check the file, and name unknown products.")
@jobs.rate_option
@terminal.with_database
async def import_file(
    run: terminal.Run,
    *,
    file: BinaryIO,
    reason: str | None,
    again: bool,
    dry_run: bool,
    rate: int,
) -> None:
    """Book the lines of a CSV file, each that can be, as a job that workers go on with.

    Its first line names columns: sku, count or delta, and if you like expected and reason.
    """
    content = file.read(services.stock_imports.MOST_BYTES + 1)
    lines = services.stock_imports.read(content, reason=reason)
    if dry_run:
        unknown = await run.database.ask(services.stock_imports.unknown, lines)
        answer = {"lines": len(lines), "unknown": unknown}
        run.answer(
            answer,
            f"{len(lines)} lines, {len(unknown)} of them of unknown products; nothing was booked",
            *(f"unknown      {terminal.cell(sku)}" for sku in unknown[:SHOWN]),
        )
        return
    async with run.database.transaction() as connection:
        wanted = await services.stock_imports.about(
            connection, lines, file=file.name, content=content, again=again
        )
        planned = services.jobs.Plan("import_stock", wanted, len(lines))
        job = await services.jobs.begin(
            connection, planned, rate=rate, asked_by=run.actor, why=reason, lines=lines
        )
    jobs.answer(run, await jobs.work_on(run, job))


@stock.command()
@terminal.with_database
async def verify(run: terminal.Run) -> None:
    """Compare every counter with the sum of its movements; exits with 1 where one differs."""
    total = await run.database.ask(storage.stock_views.count)
    found: list[Difference] = []
    with Progress(console=terminal.errors) as progress:
        task = progress.add_task("products", total=total)
        async for compared in services.stock.verify(run.database):
            found += compared.differences
            progress.advance(task, compared.products)
    empty = f"The counters of {total} products are the sum of what moved."
    terminal.show_rows(found, as_json=run.as_json, empty=empty)
    if found:
        sys.exit(DIFFERS)

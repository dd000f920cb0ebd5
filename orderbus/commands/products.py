"""``orderbus products``: what can be sold."""

from __future__ import annotations

import click

from orderbus import services, storage
from orderbus.commands import terminal
from orderbus.domain import products as catalogue
from orderbus.errors import Conflict


@click.group()
def products() -> None:
    """Add products to the catalogue, list them, sell them no more or again."""


@products.command()
@click.argument("sku")
@click.argument("name")
@click.argument("price")
@terminal.with_database
async def add(run: terminal.Run, *, sku: str, name: str, price: str) -> None:
    """Add a product, of which none is in stock yet: `orderbus stock book` books it in."""
    new = catalogue.read({"sku": sku, "name": name, "price": price})
    async with run.database.transaction() as connection:
        await storage.audit.begin(connection, actor=run.actor)
        added = await storage.products.add(connection, new)
    terminal.show_rows([added], as_json=run.as_json, empty="")


@products.command("list")
@click.option("--after", metavar="SKU", help="Only what comes behind it.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@terminal.with_database
async def list_products(run: terminal.Run, *, after: str | None, limit: int) -> None:
    """List the products by sku."""
    found = await run.database.ask(storage.products.list_by_sku, after=after, at_most=limit)
    empty = "No products. Add one: orderbus products add SKU NAME PRICE"
    terminal.show_rows(found, as_json=run.as_json, empty=empty)


def _activate(name: str, sentence: str, *, active: bool) -> None:
    @products.command(name, help=sentence)
    @click.argument("sku")
    @terminal.with_database
    async def activate(run: terminal.Run, *, sku: str) -> None:
        async with run.database.transaction() as connection:
            found = await services.products.activate(
                connection, sku, active=active, actor=run.actor
            )
        terminal.show_rows([found], as_json=run.as_json, empty="")


_activate(
    "withdraw", "Sell a product no more; orders and movements that name it stay.", active=False
)
_activate("restore", "Sell a product again that was withdrawn or deleted.", active=True)


@products.command("add-category")
@click.argument("slug")
@click.argument("name")
@click.option("--parent", metavar="SLUG", help="The category that it is below.")
@terminal.with_database
async def add_category(run: terminal.Run, *, slug: str, name: str, parent: str | None) -> None:
    """Add a category: products are put into it over HTTP, as `categories`."""
    asked = catalogue.read_category({"slug": slug, "name": name, "parent": parent})
    async with run.database.transaction() as connection:
        added = await services.products.add_category(connection, asked, actor=run.actor)
    if not added:
        raise Conflict(f"There is a category {slug} already")
    terminal.show_rows(
        await run.database.ask(storage.categories.list_all), as_json=run.as_json, empty=""
    )

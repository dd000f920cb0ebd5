"""``orderbus products``: what can be sold."""

from __future__ import annotations

import click

from orderbus import storage
from orderbus.commands import terminal
from orderbus.domain import products as catalogue


@click.group()
def products() -> None:
    """Add products to the catalogue, and list them."""


@products.command()
@click.argument("sku")
@click.argument("name")
@click.argument("price")
@terminal.with_database
async def add(run: terminal.Run, *, sku: str, name: str, price: str) -> None:
    """Add a product, of which none is in stock yet: `orderbus stock book` books it in."""
    new = catalogue.read({"sku": sku, "name": name, "price": price})
    added = await run.database.ask(storage.products.add, new)
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

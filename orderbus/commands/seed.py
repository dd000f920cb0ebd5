"""``orderbus seed``: a catalogue to begin with, for development."""

from __future__ import annotations

import click

from orderbus import services
from orderbus.commands import terminal


@click.command()
@terminal.with_database
async def seed(run: terminal.Run) -> None:
    """Fill an empty catalogue with 20 guitars, and add two users.

    What is there already stays as it is. Refused unless DEBUG is set: no shop sells these.
    """
    added = await services.seeds.plant(run.database, run.settings)
    said = f"{added.products} products and {added.users} users were added"
    run.answer({"products": added.products, "users": added.users}, said)

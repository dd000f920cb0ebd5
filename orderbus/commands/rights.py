"""``orderbus rights``: who may do what."""

from __future__ import annotations

import click

from orderbus.commands import terminal
from orderbus.domain import rights as table


@click.command()
@terminal.as_json
def rights(*, as_json: bool) -> None:
    """Print who may do what. docs/rights.md holds the table, which is in Markdown."""
    if as_json:
        terminal.show(
            [
                {"what": right.what, "routes": right.routes, "who": right.who}
                for right in table.RIGHTS
            ]
        )
    else:
        terminal.say(table.table(), lines=True)

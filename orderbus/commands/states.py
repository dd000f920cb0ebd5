"""``orderbus states``: the statuses of an order, and the moves between them."""

from __future__ import annotations

import click

from orderbus.commands import terminal
from orderbus.domain import states as table


@click.command()
@terminal.as_json
def states(*, as_json: bool) -> None:
    """Print the moves of an order as a Mermaid diagram. docs/states.md holds it."""
    if as_json:
        moves = [
            {"action": move.action, "from": move.sources, "to": move.target, "event": move.event}
            for move in table.MOVES
        ]
        terminal.show(moves)
    else:
        terminal.say(table.diagram(), lines=True)

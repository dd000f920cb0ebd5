"""``orderbus states``: the statuses of an order, and the moves between them."""

from __future__ import annotations

import click

from orderbus.commands import terminal
from orderbus.domain import states as table


@click.command()
@terminal.as_json
def states(*, as_json: bool) -> None:
    """Print the moves of an order as Mermaid diagrams. docs/states.md holds them."""
    if as_json:
        moves = [
            {
                "action": move.action,
                "axis": move.axis,
                "from": move.sources,
                "to": move.target,
                "event": move.event,
            }
            for move in table.MOVES
        ]
        terminal.show(moves)
    else:
        drawn = "\n\n".join(table.diagram(axis) for axis in table.Axis)
        terminal.say(drawn, lines=True)

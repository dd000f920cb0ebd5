"""How do the commands talk: tables and colour to people, plain JSON to machines?"""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Concatenate, NoReturn, ParamSpec

import click
from rich.console import Console
from rich.table import Table

from orderbus import settings as settings_module
from orderbus.errors import Misconfigured, OrderbusError, Unavailable
from orderbus.local.parts import Way
from orderbus.settings import Settings
from orderbus.storage.database import Database, open_database

console = Console()
errors = Console(stderr=True)

parts = click.option(
    "--parts",
    "way",
    type=click.Choice([way.value for way in Way]),
    callback=lambda _context, _option, value: value and Way(value),
    help="Have every part this way; without it, each as it can be had.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Plain JSON, for machines.")

P = ParamSpec("P")


def with_database(
    command: Callable[Concatenate[Settings, Database, P], Awaitable[None]],
) -> Callable[P, None]:
    """Run an async command with the settings and an open database; print its refusals."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def within() -> None:
            settings = settings_module.load()
            async with open_database(settings) as database:
                await command(settings, database, *args, **kwargs)

        with_exit_code(lambda: asyncio.run(within()))

    return run


def with_exit_code(run: Callable[[], object]) -> None:
    """Call ``run``; an expected error becomes one line on stderr and an exit code.

    1: refused, 2: settings that cannot work, 3: a part is away.
    """
    try:
        run()
    except Misconfigured as error:
        fail(str(error), code=2)
    except Unavailable as error:
        fail(f"{error}. `orderbus doctor` tells which part is away.", code=3)
    except OrderbusError as error:
        fail(str(error), code=1)


def fail(message: str, *, code: int) -> NoReturn:
    """Print ``message`` to stderr and exit with ``code``."""
    errors.print(f"[red]orderbus:[/red] {plain(message)}", highlight=False)
    sys.exit(code)


def is_person() -> bool:
    """Say whether somebody may be asked: a terminal, and no pipe, is what answers come from."""
    return sys.stdin.isatty()


def show(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, default=str, ensure_ascii=False))


def show_rows(rows: Iterable[Mapping[str, Any]], *, as_json: bool, empty: str) -> None:
    """Print rows as a JSON array, or as a table; ``empty`` says it when there are none."""
    rows = list(rows)
    if as_json:
        show(rows)
        return
    if not rows:
        console.print(empty, highlight=False)
        return
    table = Table(*rows[0], box=None, header_style="bold")
    for row in rows:
        table.add_row(*(cell(value) for value in row.values()))
    console.print(table)


def cell(value: object) -> str:
    """Write a value so that a person reads it, and rich does not take it for markup."""
    if value is None:
        return "-"
    if hasattr(value, "strftime"):
        return str(value.strftime("%Y-%m-%d %H:%M:%S"))
    return plain(str(value))


def plain(text: str) -> str:
    """Keep rich from taking brackets in ``text`` for markup."""
    return text.replace("[", r"\[")

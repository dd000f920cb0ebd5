"""Whatever commands print: lines, tables and colour for people, plain JSON for machines.

Nothing that others wrote (names, references, answers of endpoints) may steer the terminal, pass for
a line of ours, or be taken for markup. An id is never cut, since people copy it.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import pwd
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from orderbus import log_lines, storage
from orderbus import settings as settings_module
from orderbus.domain.text import brief, printable, storable
from orderbus.errors import Busy, Invalid, OrderbusError, Unavailable
from orderbus.files import settings_of_up
from orderbus.handling import handling

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from orderbus.settings import Settings
    from orderbus.storage.database import Database

console = Console(emoji=False)
errors = Console(stderr=True, emoji=False)
#: Columns that hold something to copy.
_ID: Final = re.compile(r"(.+_)?(id|uuid|ref)")
#: Below this width the text of another column is not worth reading.
_NARROW: Final = 10

#: The number of a row, as far as PostgreSQL counts.
NUMBER: Final = click.IntRange(1, 2**63 - 1)

as_json = click.option("--json", "as_json", is_flag=True, help="Plain JSON, for machines.")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command: what it works with, and whether a machine reads its answer."""

    settings: Settings
    database: Database
    as_json: bool

    @property
    def actor(self) -> str:
        """Name who types, as the audit trail does."""
        return actor()

    def answer(self, facts: object, *lines: str) -> None:
        """Print ``facts`` for a machine, or else ``lines`` for a person."""
        if self.as_json:
            show(facts)
            return
        for line in lines:
            say(line)


def actor() -> str:
    """Name who types, as the audit trail does: by the operating system's name."""
    user = os.getuid()
    try:
        return f"command:{pwd.getpwuid(user).pw_name}"
    except KeyError:  # a container's user may have no name
        return f"command:{user}"


def with_database(command: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Give an async command a ``Run`` and the option --json; print its refusals."""

    @as_json
    @functools.wraps(command)
    def run(*, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - what it declares with click
        async def within() -> None:
            _check_texts(given)
            settings = settings_module.load()
            async with storage.database.open_database(settings) as database:
                await command(Run(settings, database, as_json), **given)

        with log_lines.beside_an_answer():
            with_exit_code(lambda: asyncio.run(within()))

    return run


def _check_texts(given: Mapping[str, object]) -> None:
    """Pass texts that PostgreSQL can be asked for; raises ``Invalid``."""
    for name, value in given.items():
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and storable(text) != text:
                raise Invalid(f"{name} is {brief(text)}: give text in UTF-8, without NUL")


def with_exit_code(run: Callable[[], object]) -> None:
    """Call ``run``; an expected error becomes one line on stderr and its exit code."""
    try:
        run()
    except OrderbusError as error:
        away = isinstance(error, Unavailable) and not isinstance(error, Busy)
        advice = f". {where_to_look()}" if away else ""
        fail(f"{error}{advice}", code=handling(error).exit_code)


def where_to_look() -> str:
    """Say how to reach what runs here with settings of its own, or else how to find out more."""
    if (file := settings_of_up()) is not None:
        return (
            f"`orderbus up` runs here with settings of its own: type `. {file}`, then this again."
        )
    return (
        "`orderbus doctor` tells which dependency is away; among containers it is "
        "`docker compose exec web orderbus doctor`."
    )


def fail(message: str, *, code: int) -> NoReturn:
    """Print ``message`` to stderr and exit with ``code``."""
    say(message, head=click.style("orderbus:", fg="red"), err=True, lines=True)
    sys.exit(code)


def is_person() -> bool:
    """Say whether somebody may be asked: a terminal, and no pipe, is what answers come from."""
    return sys.stdin.isatty()


def say(text: str, *, head: str = "", err: bool = False, lines: bool = False) -> None:
    """Print one line, or several with ``lines``, after a ``head`` that may have colour."""
    shown = printable(text, lines=lines)
    click.echo(" ".join(filter(None, (head, shown))), err=err)


def show(value: object) -> None:
    """Print one JSON document."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    # What cannot be seen stands inside of strings alone, where JSON has its own escapes for it.
    click.echo(text if text.isprintable() else "".join(map(_in_json, text)))


def _in_json(char: str) -> str:
    return char if char.isprintable() else json.dumps(char)[1:-1]


def named(row: DataclassInstance | Mapping[str, Any], *, as_json: bool) -> Mapping[str, Any]:
    """Write a row by the names of its fields; scripts know ``external_ref`` by its former name."""
    written = row if isinstance(row, Mapping) else asdict(row)
    has_both = as_json and "external_ref" in written
    return {**written, "reference": written["external_ref"]} if has_both else written


def show_rows(
    rows: Iterable[DataclassInstance | Mapping[str, Any]], *, as_json: bool, empty: str
) -> None:
    """Print rows as a JSON array, or as a table; ``empty`` says it when there are none."""
    written = [named(row, as_json=as_json) for row in rows]
    if as_json:
        show(written)
    elif written:
        show_table(list(written[0]), [[cell(value) for value in row.values()] for row in written])
    else:
        say(empty)


def show_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; row by row below one another where the terminal is too narrow for one."""
    widths = [max(map(cell_len, column)) for column in zip(names, *rows, strict=True)]
    if not console.is_terminal:
        for row in (names, *rows):
            click.echo("  ".join(map(_padded, row, widths)).rstrip())
    elif _fits(names, widths):
        table = Table(box=None, header_style="bold")
        for name in names:
            table.add_column(name, no_wrap=_is_id(name), overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
    else:
        for row in rows:
            for name, value in zip(names, row, strict=True):
                click.echo(f"{click.style(f'{name:{max(map(len, names))}}', bold=True)}  {value}")
            click.echo()


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _fits(names: Sequence[str], widths: Sequence[int]) -> bool:
    least = (
        width if _is_id(name) else min(width, max(_NARROW, len(name)))
        for name, width in zip(names, widths, strict=True)
    )
    return sum(least) + 2 * len(names) <= console.width


def _is_id(name: str) -> bool:
    return _ID.fullmatch(name) is not None


def cell(value: object) -> str:
    """Write a value so that a person reads it."""
    if value is None:
        return "-"
    if hasattr(value, "strftime"):
        return str(value.strftime("%Y-%m-%d %H:%M:%S"))
    return printable(str(value))


def plain(text: str) -> str:
    """Keep rich from taking anything in ``text`` for markup, where it shows how far it is."""
    return escape(printable(text))

"""The options that say which dead letters a command is about."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import click

from orderbus.commands import jobs, terminal
from orderbus.commands.moments import moment
from orderbus.domain.letters import KINDS, Filter

_FILTERS: Final = (
    click.option("--kind", type=click.Choice(KINDS)),
    click.option("--endpoint", "endpoint_id", type=click.UUID, help="Deliveries to this endpoint."),
    click.option("--order", help="Of this order: our uuid, or the sender's reference."),
    click.option("--subject", help="An actor, a consumer or a type of event."),
    click.option("--reason", help="The short word, such as retries_exhausted."),
    click.option("--error", help="As `dead-letters groups` shows it."),
    click.option(
        "--since", "created_at__gte", type=moment, help="From when on: a moment, or 2h, 7d."
    ),
    click.option("--until", "created_at__lt", type=moment, help="Until when."),
)


def filtered(command: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Give a command the options that say which letters, as one ``Filter`` named ``wanted``."""

    @functools.wraps(command)
    async def read(run: terminal.Run, **given: Any) -> None:  # noqa: ANN401 - what click read
        named = {field.name: given.pop(field.name, None) for field in fields(Filter)}
        await command(run, wanted=Filter(**named), **given)

    given: Callable[..., Awaitable[None]] = read
    for option in reversed(_FILTERS):
        given = option(given)
    return given


_MANY: Final = (
    click.argument("letters", type=terminal.NUMBER, nargs=-1, metavar="[ID]..."),
    click.option("--all", "everything", is_flag=True, help="Every open dead letter."),
    click.option("--like", type=terminal.NUMBER, metavar="ID", help="All of one group with ID."),
    click.option("--dry-run", is_flag=True, help="Only count what fits."),
    jobs.rate_option,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which letters: some by their IDs, or else all that fit, which is a job."""

    letters: Sequence[int]
    wanted: Filter
    like: int | None
    dry_run: bool
    rate: int

    def filter(self) -> dict[str, object]:
        """Say which letters, as the kinds of jobs take it."""
        return {**asdict(self.wanted), "like": self.like}


def some_or_many(command: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Give a command what says which letters."""

    @functools.wraps(command)
    async def read(run: terminal.Run, *, everything: bool, **given: Any) -> None:  # noqa: ANN401 - what click read
        names = [field.name for field in fields(Asked)]
        which = Asked(**{name: given.pop(name) for name in names})
        is_job = everything or which.like is not None or which.wanted != Filter()
        if is_job == bool(which.letters):
            raise click.UsageError("Give either the IDs of dead letters, or --all or a filter.")
        if which.dry_run and not is_job:
            raise click.UsageError("--dry-run counts what fits: give it with --all or a filter.")
        await command(run, which=which, **given)

    asked: Callable[..., Awaitable[None]] = read
    for option in reversed(_MANY):
        asked = option(asked)
    return filtered(asked)

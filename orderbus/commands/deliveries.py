"""``orderbus deliveries``: what endpoints are owed and have got, and what is done about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack
from uuid import UUID

import click

from orderbus import services, storage
from orderbus.commands import jobs, terminal
from orderbus.commands.moments import moment
from orderbus.domain.text import brief
from orderbus.errors import Busy, Invalid, Refused

if TYPE_CHECKING:
    from orderbus.services.delivery_lists import History
    from orderbus.storage.delivery_lists import Filter
    from orderbus.storage.delivery_views import Attempt, Delivery, State

_STATES: Final = ("pending", "held", "delivered", "dead", "skipped")
#: Statements that may look for what a list shows: a minute of them, and no longer.
_LOOKS: Final = 5_000
_COLUMNS: Final = (
    *("id", "state", "external_ref", "sequence", "type", "endpoint_id", "attempts"),
    *("last_status", "last_error", "due_at", "waits_for", "settled_at"),
)

Command = Callable[..., Any]


class Which(TypedDict):
    """Which deliveries: the options that all of these have."""

    endpoint_id: UUID | None
    since: datetime | None
    until: datetime | None
    status: int | None
    error: str | None


class Asked(Which):
    """What is to be done, as it was typed."""

    order: str | None
    ids: tuple[int, ...]
    state: State | None
    rate: int
    dry_run: bool
    reason: str | None


def _options(*options: Command) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_filters: Final = _options(
    click.option("--endpoint", "endpoint_id", type=click.UUID, help="To this endpoint."),
    click.option("--order", help="Of this order: our uuid or the sender's reference."),
    click.option("--since", type=moment, help="Settled since; else come in. A moment, or 2h, 7d."),
    click.option("--until", type=moment, help="Settled before; else come in."),
    click.option("--status", type=click.IntRange(100, 599), help="The last answer's status."),
    click.option("--error", help="The last attempt's error, such as timeout or connect."),
)
_many: Final = _options(
    click.argument("ids", type=terminal.NUMBER, nargs=-1, metavar="[ID]..."),
    _filters,
    jobs.rate_option,
    click.option("--dry-run", is_flag=True, help="Only count what fits."),
)


@click.group()
def deliveries() -> None:
    """List and show deliveries; retry, skip and resend them."""


@deliveries.command("list")
@click.option("--state", type=click.Choice(_STATES))
@_filters
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--cursor", help="Go on where a list ended that said so.")
@terminal.with_database
async def list_deliveries(
    run: terminal.Run,
    *,
    state: State | None,
    order: str | None,
    limit: int,
    cursor: str | None,
    **which: Unpack[Which],
) -> None:
    """List deliveries: what is owed in the order of each line, all else from the newest on."""
    async with run.database.connection() as connection:
        fits = storage.delivery_lists.Filter(state=state, **which)
        wanted = await services.delivery_lists.of_order(connection, fits, order)
    after = _read_cursor(wanted, cursor) if cursor else None
    page = await services.delivery_lists.list_page(
        run.database, wanted, after=after, at_most=limit, looks=_LOOKS
    )
    rows = [asdict(each) for each in page.deliveries]
    if not run.as_json:
        rows = [{name: row[name] for name in _COLUMNS} for row in rows]
    terminal.show_rows(rows, as_json=run.as_json, empty="No such deliveries.")
    if page.next is not None:
        terminal.say(
            f"There may be more: add --cursor {services.delivery_lists.cursor_of(page.next)}",
            err=True,
        )


def _read_cursor(wanted: Filter, cursor: str) -> storage.delivery_lists.Place:
    try:
        return services.delivery_lists.place_at(wanted, cursor)
    except ValueError:
        message = f"--cursor is {brief(cursor, 40)!r}: give what a list with the same options said"
        raise Invalid(message) from None


@deliveries.command()
@click.argument("delivery", type=terminal.NUMBER, metavar="ID")
@terminal.with_database
async def show(run: terminal.Run, *, delivery: int) -> None:
    """Show one delivery with every attempt, and what was answered."""
    found = await services.delivery_lists.show(run.database, delivery)
    attempts = [asdict(each) | {"head": _text(each.head)} for each in found.attempts]
    run.answer({**asdict(found.delivery), "attempts_made": attempts}, *_lines(found))


def _text(head: bytes | None) -> str | None:
    return None if head is None else head.decode("utf-8", "backslashreplace")


def _lines(found: History) -> Iterator[str]:
    for name, value in asdict(found.delivery).items():
        if value is not None:
            yield f"{name:16} {terminal.cell(value)}"
    for attempt in found.attempts:
        yield f"attempt {_of(attempt)}"
        if attempt.head:
            yield f"  answered {_text(attempt.head)}"


def _of(attempt: Attempt) -> str:
    came = " ".join(str(each) for each in (attempt.status, attempt.error) if each is not None)
    facts = (
        str(attempt.number),
        f"{attempt.started_at:%Y-%m-%d %H:%M:%S}",
        attempt.outcome or "under way, or its worker died",
        came or "no answer known",
        f"{attempt.duration_ms or '-'} ms",
        attempt.address or "",
        attempt.detail or "",
    )
    return "  ".join(filter(None, facts))


Act = Callable[..., Awaitable["Delivery"]]


@deliveries.command()
@click.option("--state", type=click.Choice(["pending", "dead"]), help="Only these; else both.")
@_many
@click.option("--reason", help="Why; kept in the audit trail.")
@terminal.with_database
async def retry(run: terminal.Run, **asked: Unpack[Asked]) -> None:
    """Attempt deliveries now, whatever their schedule says; dead ones begin anew.

    Either some IDs, or all that fit: --endpoint ID after an outage. One that waits behind an
    earlier one of its order is let go by that one.
    """
    model = services.delivery_jobs.RetryDeliveries
    await _act(run, "retry_deliveries", services.delivery_acts.retry, model, asked)


@deliveries.command()
@click.option("--state", type=click.Choice(["pending", "held"]), help="Only these; else both.")
@_many
@click.option("--reason", required=True, help="Why nobody shall have it; kept with each.")
@terminal.with_database
async def skip(run: terminal.Run, **asked: Unpack[Asked]) -> None:
    """Let an endpoint never have what it is owed; what comes next in the order goes on."""
    model = services.delivery_jobs.SkipDeliveries
    await _act(run, "skip_deliveries", services.delivery_acts.skip, model, asked)


@deliveries.command()
@click.option(
    "--state", type=click.Choice(["delivered", "skipped"]), default="delivered", show_default=True
)
@_many
@click.option("--reason", help="Why; kept with each.")
@terminal.with_database
async def resend(run: terminal.Run, **asked: Unpack[Asked]) -> None:
    """Send once more what was delivered or skipped: the same webhook-id, the same body.

    Of many the time is when they were delivered: --endpoint ID --since 2h for what a receiver
    answered and lost. What is owed of the same orders and comes later waits for it.
    """
    model = services.delivery_jobs.ResendDeliveries
    await _act(run, "resend_deliveries", services.delivery_acts.resend, model, asked)


async def _act(
    run: terminal.Run,
    kind: str,
    act: Act,
    model: type[services.delivery_jobs.Deliveries],
    asked: Asked,
) -> None:
    which = {name: asked.get(name) for name in (*Which.__annotations__, "order", "state")}
    given = {name: value for name, value in which.items() if value is not None}
    if bool(asked["ids"]) == bool(given.keys() - {"state"}):
        raise click.UsageError("Give either the IDs of deliveries, or options that say which.")
    if asked["ids"]:
        await _act_on(run, act, asked)
        return
    reason = asked["reason"]
    wanted = services.kinds.read(model, {**given, "reason": reason})
    if asked["dry_run"]:
        counted = await jobs.plan(run, kind, wanted)
        answer = {"kind": kind, "total": counted.total, "is_at_least": counted.is_at_least}
        run.answer(answer, f"{jobs.total(counted)} fit; nothing was done")
        return
    job = await jobs.begin(run, kind, wanted, rate=asked["rate"], why=reason)
    jobs.answer(run, await jobs.work_on(run, job))


async def _act_on(run: terminal.Run, act: Act, asked: Asked) -> None:
    done: list[Delivery] = []
    refused: list[dict[str, object]] = []
    for delivery in asked["ids"]:
        try:
            if asked["dry_run"]:
                found = await run.database.ask(storage.delivery_views.get, delivery)
            else:
                async with run.database.transaction() as connection:
                    found = await act(connection, delivery, actor=run.actor, reason=asked["reason"])
        except (Refused, Busy) as error:
            refused.append({"id": delivery, "error": str(error)})
        else:
            done.append(found)
    run.answer(
        {"done": [asdict(each) for each in done], "refused": refused},
        *(f"{each.id} is {_now(each)}" for each in done),
    )
    for refusal in () if run.as_json else refused:
        terminal.say(str(refusal["error"]), err=True)
    if refused:
        raise SystemExit(1)


def _now(delivery: Delivery) -> str:
    match delivery.state:
        case "pending":
            return f"due at {delivery.due_at:%Y-%m-%d %H:%M:%S} UTC"
        case "held":
            return f"held until you type: orderbus endpoints enable {delivery.endpoint_id}"
    return delivery.state

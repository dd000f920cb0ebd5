"""Lists of deliveries: those that fit, found step by step along an index.

Whatever is asked for, a statement looks at a bounded number of rows and says where the next goes
on: what is rare among very many is found in several, and none grows with what is kept.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from orderbus.storage.database import Connection
from orderbus.storage.delivery_views import LAST, State
from orderbus.storage.sequencing import TOO_EARLY

#: Rows that one statement looks at, at most.
LOOKS_AT: Final = 2_000
#: The key of a delivery in its list, behind which the next step goes on.
Place = tuple[int | datetime | UUID, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries: those that fit everything that is given.

    ``held`` is what is pending to an endpoint that is disabled, ``pending`` what is to the others,
    and ``owed`` both.
    ``since`` and ``until`` are about when it was settled; where it is still owed, when it came in.
    ``status`` and ``error`` are those of its last attempt. ``later``: its next attempt is not due
    yet, and it waits for nothing else. ``letter``: its dead letter is open. ``attempted_before``:
    its last attempt, if there was one, began earlier.
    """

    endpoint_id: UUID | None = None
    state: State | Literal["owed"] | None = None
    order_pk: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    status: int | None = None
    error: str | None = None
    later: bool = False
    letter: bool = False
    attempted_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The next deliveries that fit, and where to go on; None where all were looked at."""

    ids: Sequence[int]
    until: Place | None


@dataclass(frozen=True, slots=True)
class Listing:
    """How a list is found: the columns of its key, and the index that has them in order.

    ``of`` are these columns where another table's index has them.
    """

    key: tuple[str, ...]
    kinds: tuple[type, ...]
    rows: str
    newest_first: bool = False
    of: tuple[str, ...] = ()

    @property
    def columns(self) -> str:
        """The key as ``rows`` name it."""
        return ", ".join(self.of or self.key)


_ALL: Final = Listing(
    ("id",), (int,), "ops.webhook_deliveries AS delivery WHERE true", newest_first=True
)
#: Those that are owed: order by order, and each order's line at each endpoint in its sequence.
_LINES: Final = Listing(
    ("order_id", "endpoint_id", "sequence"),
    (int, UUID, int),
    "ops.webhook_deliveries AS delivery WHERE state IN ('pending', 'held')",  # deliveries_in_line
)
_SETTLED: Final = {
    state: Listing(
        ("settled_at", "id"),
        (datetime, int),
        # In the text, as the index has it, and so that no other has it: what else is found along
        # it is looked at, and does not fit.
        f"""
        ops.webhook_deliveries AS delivery
         WHERE state IN ({states})
           AND settled_at >= coalesce($3::timestamptz, '-infinity')
           AND settled_at < coalesce($4::timestamptz, 'infinity')
        """,
        newest_first=True,
    )
    for state, states in (
        ("delivered", "'delivered', 'skipped'"),
        ("dead", "'dead'"),
        ("skipped", "'dead', 'skipped'"),
    )
}
_OF_ORDER: Final = Listing(
    ("sequence", "id"),
    (int, int),
    """
    (SELECT event_id, sequence FROM orders.order_history
      WHERE order_id = $5 {begin}) AS event
     CROSS JOIN LATERAL (SELECT * FROM ops.webhook_deliveries
                          WHERE event_id = event.event_id OFFSET 0) AS delivery
     WHERE true
    """,
    of=("event.sequence", "delivery.id"),
)
_TYPES: Final = {int: "bigint", datetime: "timestamptz", UUID: "uuid"}


def listing_of(wanted: Filter) -> Listing:
    """Say how a list is found: along an order's story, what is in a state, or everything."""
    if wanted.order_pk is not None:
        return _OF_ORDER
    if wanted.state is None:
        return _ALL
    return _SETTLED.get(wanted.state, _LINES)


async def find(
    connection: Connection,
    wanted: Filter,
    *,
    after: Place | None,
    at_most: int,
    newest_first: bool | None = None,
) -> Found:
    """Find the next ``at_most`` that fit, behind a place of the same list; maybe none, or fewer.

    What is owed is found from the oldest order on, an order's from its first event on, and all
    else the newest first, unless it is said. Looks at ``LOOKS_AT`` rows.
    """
    listing = listing_of(wanted)
    record = await connection.fetchrow(
        _statement(listing, wanted, after, backwards=_or(newest_first, listing.newest_first)),
        at_most,
        LOOKS_AT,
        wanted.since,
        wanted.until,
        wanted.order_pk,
        wanted.endpoint_id,
        wanted.status,
        wanted.error,
        wanted.attempted_before,
        *(after or ()),
    )
    assert record is not None  # noqa: S101 - it always returns a row
    place = tuple(record[column] for column in listing.key)
    return Found(record["ids"], None if None in place else place)


def _or(given: bool | None, otherwise: bool) -> bool:  # noqa: FBT001 - both are
    return otherwise if given is None else given


def _statement(listing: Listing, wanted: Filter, after: Place | None, *, backwards: bool) -> str:
    direction, beyond = ("DESC", "<") if backwards else ("ASC", ">")
    key = ", ".join(listing.key)
    order, back = (
        ", ".join(f"{column} {each}" for column in listing.key)
        for each in (direction, "ASC" if backwards else "DESC")
    )
    places = [f"${n}::{_TYPES[kind]}" for n, kind in enumerate(listing.kinds, 10)]
    behind = begin = ""
    if after is not None:
        behind = f"AND ({listing.columns}) {beyond} ({', '.join(places)})"
        begin = f"AND {listing.key[0]} {beyond}= {places[0]}"
    read_in_order = ", ".join(f"{column} {direction}" for column in listing.columns.split(", "))
    of_last = (wanted.status, wanted.error, wanted.attempted_before)
    with_last = LAST if any(each is not None for each in of_last) else ""
    return f"""
        WITH read AS MATERIALIZED (
            SELECT delivery.*
              FROM {listing.rows.replace("{begin}", begin)} {behind}
             ORDER BY {read_in_order}
             LIMIT $2
        ), fitting AS MATERIALIZED (
            SELECT delivery.*
              FROM read AS delivery
              JOIN ops.webhook_endpoints AS endpoint ON endpoint.id = delivery.endpoint_id
              {with_last}
             WHERE {_fits(wanted)}
             ORDER BY {order}
             LIMIT $1
        ), ended AS (
            -- Behind what was found, where it may not be all of what was looked at that fits.
            SELECT {key} FROM read
             WHERE (SELECT count(*) FROM fitting) < $1 AND (SELECT count(*) FROM read) = $2
             UNION ALL
            SELECT {key} FROM fitting WHERE (SELECT count(*) FROM fitting) = $1
             ORDER BY {back}
             LIMIT 1
        )
        SELECT ARRAY(SELECT id FROM fitting ORDER BY {order}) AS ids, ended.*
          FROM (SELECT) AS always
          LEFT JOIN ended ON true
    """  # noqa: S608 - constants of ours


def _fits(wanted: Filter) -> str:
    """Write what a row has to fit; every argument stands in it, so that each has a type."""
    conditions = [
        "coalesce(settled_at, delivery.created_at) >= coalesce($3::timestamptz, '-infinity')",
        "coalesce(settled_at, delivery.created_at) < coalesce($4::timestamptz, 'infinity')",
        "($5::bigint IS NULL OR order_id = $5)",
        "($6::uuid IS NULL OR endpoint_id = $6)",
        "$7::int IS NOT DISTINCT FROM " + ("last.status" if wanted.status is not None else "$7"),
        "$8::text IS NOT DISTINCT FROM " + ("last.error" if wanted.error is not None else "$8"),
        "coalesce($9::timestamptz > "
        + ("last.started_at" if wanted.attempted_before is not None else "NULL")
        + ", true)",
    ]
    match wanted.state:
        case "pending" | "held":
            disabled = "NOT NULL" if wanted.state == "held" else "NULL"
            conditions.append(
                f"state IN ('pending', 'held') AND disabled_at IS {disabled} AND removed_at IS NULL"
            )
        case "owed":
            conditions.append("state IN ('pending', 'held') AND removed_at IS NULL")
        case str() as state:
            conditions.append(f"state = '{state}'")
    if wanted.later:
        # What was due too early, and is passed over for a moment, waits for an earlier one.
        soon = f"clock_timestamp() + make_interval(secs => {TOO_EARLY.total_seconds()})"
        conditions.append(f"lease IS NULL AND due_at > {soon} AND due_at < 'infinity'")
    if wanted.letter:
        conditions.append(
            "EXISTS (SELECT FROM ops.dead_letters WHERE delivery_id = delivery.id"
            " AND kind = 'delivery' AND resolved_at IS NULL)"
        )
    return " AND ".join(conditions)


def written(place: Place) -> list[str]:
    """Write a place so that JSON can hold it."""
    return [each.isoformat() if isinstance(each, datetime) else str(each) for each in place]


def place_of(wanted: Filter, texts: Sequence[object]) -> Place:
    """Read a place as it was written for the same list; raises ``ValueError`` for any other."""
    kinds = listing_of(wanted).kinds
    if len(texts) != len(kinds) or not all(isinstance(text, str) for text in texts):
        raise ValueError("is no place in this list")
    return tuple(_READ[kind](str(text)) for kind, text in zip(kinds, texts, strict=True))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004 - a bigint's
        raise ValueError("is no number of ours")
    return int(text)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("is no moment of ours")
    return moment.astimezone(UTC)


_READ: Final[Mapping[type, Callable[[str], int | datetime | UUID]]] = {
    int: _number,
    datetime: _moment,
    UUID: UUID,
}


async def count(connection: Connection, wanted: Filter) -> AsyncGenerator[int, None]:
    """Count what fits, that of one short statement after the other."""
    after = None
    while True:
        found = await find(connection, wanted, after=after, at_most=LOOKS_AT)
        yield len(found.ids)
        if (after := found.until) is None:
            return

"""Lists, counts and groups of the dead letters that nobody has decided about.

Read from the oldest on, a stretch at a time: each statement looks at so many of them at most, by an
index, however many there are and however few of them fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg import Record

from orderbus.domain.letters import KINDS, Filter
from orderbus.storage import rows
from orderbus.storage.database import Connection
from orderbus.storage.letter_views import ABOUT, SUBJECT, OpenLetter

#: The newest number that a letter may have.
_NO_END: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Group:
    """Open dead letters that are alike, and how many; ``example`` is the oldest of them."""

    kind: str
    subject: str | None
    endpoint_id: UUID | None
    url: str | None
    reason: str
    error: str
    count: int
    oldest: datetime
    newest: datetime
    example: int

    @property
    def key(self) -> Filter:
        """Which letters these are."""
        subject = self.subject or ""
        return Filter(self.kind, self.endpoint_id, None, subject, self.reason, self.error)

    def with_more(self, later: Group) -> Group:
        """Take in those of the same group that were found behind these."""
        return replace(
            self,
            count=self.count + later.count,
            oldest=min(self.oldest, later.oldest),
            newest=max(self.newest, later.newest),
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """How many letters were looked at, and the last of them; None where none were left."""

    looked_at: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Listed(Stretch):
    """What fits among them, oldest first."""

    letters: Sequence[OpenLetter]


@dataclass(frozen=True, slots=True)
class Grouped(Stretch):
    """The same, in groups."""

    groups: Sequence[Group]


@dataclass(frozen=True, slots=True)
class Counted(Stretch):
    """How many of them fit."""

    count: int


#: An error without what differs from one letter to the next: ids and long numbers.
_ALIKE: Final = (
    "regexp_replace(left(letter.error, 200),"
    " '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9]{4,}', '#', 'g')"
)
#: The next open letters behind number $1 up to number $2, at most $3 of them: of the kinds in $4.
_NEXT: Final = """
    WITH looked_at AS MATERIALIZED (
        SELECT id
          FROM unnest($4::text[]) AS kinds (kind)
         CROSS JOIN LATERAL (
                SELECT id
                  FROM ops.dead_letters
                 -- As rows: where a kind is rare, the index of all numbers would be read instead.
                 WHERE resolved_at IS NULL
                   AND (kind, id) > (kinds.kind, $1) AND (kind, id) <= (kinds.kind, $2)
                 ORDER BY dead_letters.kind, id
                 LIMIT $3) AS next
         ORDER BY id
         LIMIT $3
    )
"""
#: The same of the orders whose reference is $11 or whose uuid is $12: found by their events, and by
#: what messages say themselves.
_NEXT_OF_ORDER: Final = """
    WITH looked_at AS MATERIALIZED (
        SELECT next.id
          FROM (SELECT id FROM orders.orders WHERE external_ref = $11
                 UNION
                SELECT id FROM orders.orders WHERE public_id = $12::uuid) AS wanted
          JOIN orders.order_history AS history ON history.order_id = wanted.id
         CROSS JOIN LATERAL (
                SELECT letter.id, letter.kind
                  FROM ops.webhook_deliveries AS delivery
                  JOIN ops.dead_letters AS letter ON letter.delivery_id = delivery.id
                 WHERE delivery.event_id = history.event_id
                   AND letter.kind = 'delivery' AND letter.resolved_at IS NULL
                 UNION ALL
                SELECT letter.id, letter.kind
                  FROM ops.consumptions AS consumption
                  JOIN ops.dead_letters AS letter ON letter.consumption_id = consumption.id
                 WHERE consumption.event_id = history.event_id
                   AND letter.kind = 'consumption' AND letter.resolved_at IS NULL
                 UNION ALL
                SELECT id, kind
                  FROM ops.dead_letters
                 WHERE event_id = history.event_id AND kind = 'outbox' AND resolved_at IS NULL
               ) AS next
         WHERE next.id > $1 AND next.id <= $2 AND next.kind = ANY ($4)
         UNION
        SELECT id
          FROM ops.dead_letters
         WHERE ops.order_of_message(attributes)
               = ANY (ARRAY(SELECT public_id FROM orders.orders WHERE external_ref = $11
                             UNION
                            SELECT $12::uuid))
           AND kind = 'pubsub' AND resolved_at IS NULL
           AND id > $1 AND id <= $2 AND kind = ANY ($4)
         ORDER BY id
         LIMIT $3
    )
"""
_FITS: Final = f"""
    ($5::uuid IS NULL OR delivery.endpoint_id = $5)
    AND ($6::text IS NULL OR coalesce({SUBJECT}, '') = $6)
    AND ($7::text IS NULL OR letter.reason = $7)
    AND ($8::text IS NULL OR {_ALIKE} = $8)
    AND ($9::timestamptz IS NULL OR letter.created_at >= $9)
    AND ($10::timestamptz IS NULL OR letter.created_at < $10)
"""
#: Every text within is a constant of this module.
_FOUND: Final = f"""
    FROM looked_at
   CROSS JOIN LATERAL (SELECT * FROM ops.dead_letters WHERE id = looked_at.id OFFSET 0) AS letter
    {ABOUT}
   WHERE {_FITS}
"""  # noqa: S608 - as the line above says
_STRETCH: Final = "(SELECT count(*) AS looked_at, max(id) AS until FROM looked_at) AS stretch"


async def list_next(connection: Connection, wanted: Filter, *, after: int, look_at: int) -> Listed:
    """List those that fit among the next open letters behind the one numbered ``after``."""
    found = await _ask(
        connection,
        f"""
        SELECT letter.id, letter.kind, {SUBJECT} AS subject, letter.reason, letter.error,
               orders.external_ref, orders.public_id, delivery.endpoint_id, endpoint.url,
               letter.delivery_id, letter.event_id, letter.actor, letter.message_id,
               letter.created_at
          {_FOUND}
        """,
        wanted,
        (after, look_at),
        order_by="found.id",
    )
    letters = rows.many(OpenLetter, [record for record in found if record["id"] is not None])
    return Listed(found[0]["looked_at"], found[0]["until"], letters)


async def group_next(
    connection: Connection, wanted: Filter, *, after: int, look_at: int
) -> Grouped:
    """Put those that fit among the next open letters into groups of what is alike."""
    found = await _ask(
        connection,
        f"""
        SELECT letter.kind, {SUBJECT} AS subject, delivery.endpoint_id, endpoint.url,
               letter.reason, {_ALIKE} AS error, count(*), min(letter.created_at) AS oldest,
               max(letter.created_at) AS newest, min(letter.id) AS example
          {_FOUND}
         GROUP BY 1, 2, 3, 4, 5, 6
        """,
        wanted,
        (after, look_at),
        order_by="found.example",
    )
    groups = rows.many(Group, [record for record in found if record["kind"] is not None])
    return Grouped(found[0]["looked_at"], found[0]["until"], groups)


async def count_next(
    connection: Connection, wanted: Filter, *, after: int, look_at: int
) -> Counted:
    """Count those that fit among the next open letters."""
    found = await _ask(
        connection, f"SELECT count(*) {_FOUND}", wanted, (after, look_at), order_by="1"
    )
    return rows.one(Counted, found[0])


async def like(connection: Connection, letter_id: int) -> Filter | None:
    """Say which letters are in one group with this one; None where it is not open."""
    record = await connection.fetchrow(
        f"""
        SELECT letter.kind, coalesce({SUBJECT}, '') AS subject, delivery.endpoint_id,
               letter.reason, {_ALIKE} AS error
          FROM ops.dead_letters AS letter {ABOUT}
         WHERE letter.id = $1 AND letter.resolved_at IS NULL
        """,  # noqa: S608 - as above
        letter_id,
    )
    return Filter(**dict(record.items())) if record else None


async def newest(connection: Connection) -> int:
    """Name the newest letter there is, open or not; 0 where there is none."""
    return await connection.fetchval(
        "SELECT coalesce((SELECT id FROM ops.dead_letters ORDER BY id DESC LIMIT 1), 0)"
    )


async def _ask(
    connection: Connection, found: str, wanted: Filter, where: tuple[int, int], *, order_by: str
) -> list[Record]:
    """Ask for what was found in the next stretch; one row at least, which tells of the stretch."""
    after, look_at = where
    of_order = [] if wanted.order is None else [wanted.order, _uuid(wanted.order)]
    return await connection.fetch(
        f"""
        {_NEXT_OF_ORDER if of_order else _NEXT}
        SELECT stretch.*, found.* FROM {_STRETCH} LEFT JOIN ({found}) AS found ON true
         ORDER BY {order_by}
        """,  # noqa: S608 - as above
        after,
        _NO_END if wanted.through is None else wanted.through,
        look_at,
        list(KINDS) if wanted.kind is None else [wanted.kind],
        wanted.endpoint_id,
        wanted.subject,
        wanted.reason,
        wanted.error,
        wanted.created_at__gte,
        wanted.created_at__lt,
        *of_order,
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

"""Which published events did not come back, and what those that did say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orderbus.domain.retries import Pauses
from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Returns:
    """How events come back; "lately", and how much is ``unequal``, are as ``look`` was given them.

    ``moment`` is PostgreSQL's time. ``reached``: the latest publication among what had come back
    before lately, None where nothing had. The next three are only looked for where something older
    than ``reached`` by as much is missing: ``came`` events came back lately, and took
    ``unequal`` times for it, as when a backlog returns out of order, and ``many`` such old ones are
    missing: more than a hundred, and than an eighth of ``came``. ``silent``: nothing came back and
    nothing was published for as long as the silence before, 10 s at least and 10 minutes at most.
    ``asked``: something was published again lately.
    """

    moment: datetime
    reached: datetime | None
    came: int
    unequal: bool
    many: bool
    silent: bool
    asked: bool


async def look(
    connection: Connection, *, lately: timedelta, unequal: timedelta, silence: Pauses
) -> Returns | None:
    """Tell how events come back; None where none has been awaited for the first of ``silence``."""
    record = await connection.fetchrow(
        """
        WITH awaited AS (
            SELECT min(published_at) AS oldest, max(published_at) AS newest FROM ops.outbox
        ), heard AS (
            -- Silence begins when there is something to be heard.
            SELECT greatest(oldest, (SELECT max(received_at) FROM ops.inbox)) AS at FROM awaited
        ), reached AS (
            SELECT max(published_at) AS at
              FROM (SELECT published_at
                      FROM ops.inbox
                     WHERE received_at <= now() - $1::interval
                     ORDER BY received_at DESC
                     LIMIT 500) AS before
        ), recent AS (
            SELECT count(*) AS came,
                   max(received_at - published_at) - min(received_at - published_at) AS spread
              FROM ops.inbox
             WHERE received_at > now() - $1::interval
               AND (SELECT oldest < reached.at - $1::interval FROM awaited, reached)
        )
        SELECT now() AS moment, reached.at AS reached, came,
               coalesce(spread > $2::interval, false) AS unequal,
               EXISTS (SELECT FROM ops.outbox
                        WHERE published_at < reached.at - $1::interval
                       OFFSET greatest(100, came / 8)) AS many,
               now() - heard.at >= $3::interval
               AND now() - newest >= least($4::interval,
                                           greatest($3::interval, newest - heard.at)) AS silent,
               EXISTS (SELECT FROM ops.outbox
                        WHERE publishes > 1 AND published_at > now() - $1::interval) AS asked
          FROM awaited, heard, reached, recent
         WHERE oldest < now() - $3::interval
        """,
        lately,
        unequal,
        silence.first,
        silence.most,
    )
    return None if record is None else rows.one(Returns, record)


async def take_back(
    connection: Connection, *, published_before: datetime, pauses: Sequence[timedelta], at_most: int
) -> int:
    """Make events due again that were published before a moment and did not come back.

    Each waits as ``pauses`` say for each publication, the last one for ever. Returns how many.
    """
    status = await connection.execute(
        """
        UPDATE ops.outbox
           SET due_at = now(), published_at = NULL, message_id = NULL
         WHERE event_id = ANY (ARRAY(
            SELECT event_id
              FROM ops.outbox
             WHERE published_at < $1
               AND published_at
                   < now() - ($2::interval[])[least(greatest(publishes, 1), cardinality($2))]
               AND due_at = 'infinity'
               AND parked_at IS NULL
             ORDER BY published_at
             LIMIT $3
               FOR UPDATE SKIP LOCKED))
        """,
        published_before,
        pauses,
        at_most,
    )
    return int(status.removeprefix("UPDATE "))


async def now(connection: Connection) -> datetime:
    """Tell PostgreSQL's time."""
    return await connection.fetchval("SELECT now()")

"""Lines that a job was begun with, kept until it dealt with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orderbus.storage import rows
from orderbus.storage.database import Connection


@dataclass(frozen=True, slots=True)
class JobLine:
    """A line of a file, numbered as a person counts them there."""

    line: int
    content: Mapping[str, Any]


async def add(connection: Connection, job_id: int, lines: Sequence[JobLine]) -> None:
    """Keep lines for a job, in the transaction that begins it."""
    await connection.execute(
        """
        INSERT INTO ops.job_lines (job_id, line, content)
        SELECT $1, line, content
          FROM unnest($2::integer[], $3::jsonb[]) AS given (line, content)
        """,
        job_id,
        [each.line for each in lines],
        [each.content for each in lines],
    )


async def take(connection: Connection, job_id: int, *, at_most: int) -> list[JobLine]:
    """Take the first lines that are left: where the transaction commits they are gone."""
    taken = await connection.fetch(
        """
        WITH next AS (
            SELECT line FROM ops.job_lines WHERE job_id = $1 ORDER BY line LIMIT $2
        ), taken AS (
            DELETE FROM ops.job_lines
             WHERE job_id = $1 AND line = ANY (ARRAY(SELECT line FROM next))
            RETURNING line, content
        )
        SELECT line, content FROM taken ORDER BY line
        """,
        job_id,
        at_most,
    )
    return rows.many(JobLine, taken)


async def job_of_file(connection: Connection, kind: str, sha256: str) -> int | None:
    """Name the newest job that was begun with a file and not cancelled.

    Until the transaction ends nobody else begins one with the same file.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", sha256)
    found: int | None = await connection.fetchval(
        """
        SELECT max(id) FROM ops.jobs
         WHERE kind = $1 AND state <> 'cancelled' AND filter ->> 'sha256' = $2
        """,
        kind,
        sha256,
    )
    return found

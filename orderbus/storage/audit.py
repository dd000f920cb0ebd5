"""The audit trail: who did what, to what, and why. It holds no secrets.

Each changed row of people, keys, the catalogue and endpoints is written down by a trigger;
``begin`` says who does it, and why. ``add`` notes what is done by hand and changes none of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from orderbus import telemetry
from orderbus.storage import rows
from orderbus.storage.database import Connection

#: Stands where a secret was.
HIDDEN: Final = "(hidden)"
_SECRET_NAME: Final = re.compile(r"(?i)secret|passw|token|authorization|cookie|api.?key|signature")
_SECRET_TEXT: Final = re.compile(r"(whsec|obk)_[\w+/=-]*")
#: What logs in, and what may hold a key: the user of a URL, and its query.
_URL: Final = re.compile(r"(?P<begin>https?://)(?:[^/?#\s@]*@)?(?P<path>[^?#\s]*)\?[^#\s]*")
_USER: Final = re.compile(r"(https?://)[^/?#\s@]*@")


@dataclass(frozen=True, slots=True)
class Entry:
    """One act: what it was about, and what changed, as far as it may be shown."""

    id: int
    at: datetime
    actor: str
    action: str
    subject_type: str
    subject_id: str
    reason: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    request_id: str | None


async def begin(
    connection: Connection, *, actor: str, action: str | None = None, reason: str | None = None
) -> None:
    """Say who changes rows from here to the end of the transaction, what they do, and why.

    Entries about what ``action`` names (``subject.past_participle``) have it as theirs; others say
    that a row was added, changed or removed. Who changes themselves is called as their subject is.
    """
    await connection.execute(
        """
        SELECT set_config('orderbus.actor', $1, true), set_config('orderbus.action', $2, true),
               set_config('orderbus.reason', $3, true), set_config('orderbus.request_id', $4, true)
        """,
        actor,
        action or "",
        without_secrets(reason) or "",
        telemetry.request_id() or "",
    )


async def add(
    connection: Connection,
    *,
    actor: str,
    action: str,
    subject_type: str,
    subject_id: object,
    reason: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write down an act in the transaction of what was done; what is secret is left out.

    ``action`` is ``subject.past_participle``. ``before`` and ``after`` hold what JSON can.
    """
    await connection.execute(
        """
        INSERT INTO ops.audit_log
               (actor, action, subject_type, subject_id, reason, before, after, request_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        actor,
        action,
        subject_type,
        str(subject_id),
        without_secrets(reason),
        without_secrets(before),
        without_secrets(after),
        telemetry.request_id(),
    )


def without_secrets(value: Any, name: str = "") -> Any:  # noqa: ANN401 - JSON
    """Copy a value of JSON; what could be used as a secret, or is named so, is hidden."""
    match value:
        case None | bool() | int() | float():
            return value
        case _ if _SECRET_NAME.search(name):
            return HIDDEN
        case Mapping():
            return {key: without_secrets(inner, key) for key, inner in value.items()}
        case list() | tuple():
            return [without_secrets(inner) for inner in value]
    text = _SECRET_TEXT.sub(HIDDEN, str(value))
    return _USER.sub(r"\1", _URL.sub(rf"\g<begin>\g<path>?{HIDDEN}", text))


async def list_newest(
    connection: Connection,
    *,
    actor: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    before: int | None = None,
    at_most: int,
) -> list[Entry]:
    """List what was done, the newest first: by whom, to the subject of which id, since when.

    From the entry numbered ``before`` on. Only what is asked for is in the statement, so that it is
    found by its index however often it was planned.
    """
    # As a range, which the order may begin with: then no plan prefers to read from the newest on.
    first = "subject_id" if subject is not None else "actor" if actor is not None else None
    given = {
        "actor BETWEEN ${0} AND ${0}" if first == "actor" else "actor = ${0}": actor,
        "subject_id BETWEEN ${0} AND ${0}": subject,
        "at >= ${0}": since,
        "(at, id) < ((SELECT at FROM ops.audit_log WHERE id = ${0}), ${0})": before,
    }
    asked = {condition: value for condition, value in given.items() if value is not None}
    wanted = " AND ".join(["true", *(each.format(n) for n, each in enumerate(asked, 2))])
    records = await connection.fetch(
        f"""
        SELECT id, at, actor, action, subject_type, subject_id, reason, before, after, request_id
          FROM ops.audit_log
         WHERE {wanted}
         ORDER BY {"" if first is None else f"{first} DESC,"} at DESC, id DESC
         LIMIT $1
        """,  # noqa: S608 - constants of ours
        at_most,
        *asked.values(),
    )
    return rows.many(Entry, records)

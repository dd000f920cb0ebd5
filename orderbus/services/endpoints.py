"""Endpoints are added, changed, disabled, enabled and removed, with everything they are owed.

Each act is one transaction that writes the endpoint's row and the audit trail; the row decides from
then on. What is left to write for each delivery is done in small steps, see ``owed``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from orderbus import storage
from orderbus.domain import own_headers, source1, webhooks
from orderbus.domain.events import check_pattern
from orderbus.domain.webhooks import Format
from orderbus.errors import Conflict, Fault, Invalid
from orderbus.settings import Settings
from orderbus.storage.database import Connection
from orderbus.storage.deliveries import Claimed
from orderbus.storage.endpoint_changes import Kept

#: How long the secret before a new one goes on signing, and how long it may.
KEEP_OLD_SECRETS: Final = timedelta(hours=24)
KEEP_AT_MOST: Final = timedelta(days=30)
MOST_SECRETS: Final = 5
_MOST_PATTERNS: Final = 20
#: Who disables an endpoint that says it is gone, and who skips what a removed one is owed.
_WORKER: Final = "worker"


@dataclass(frozen=True, slots=True)
class New:
    """An endpoint to be added; without ``events`` it is told of all that its format has."""

    url: str
    events: Sequence[str] = ()
    format: str = Format.EVENT
    ordering: str = "order"
    headers: Mapping[str, str] = field(default_factory=dict)
    trace: bool = False
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class WithSecret:
    """An endpoint's newest secret; others that it has sign until ``old_until``."""

    id: UUID
    secret: str
    old_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be another way; of ``headers`` those that are None are taken away."""

    url: str | None = None
    events: Sequence[str] | None = None
    format: str | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    trace: bool | None = None


async def add(connection: Connection, new: New, *, actor: str) -> WithSecret:
    """Tell an endpoint of what it wants from now on; its secret is shown, this once.

    Raises ``Invalid``. Whether its address can be reached, ``endpoint_tests.check_address`` says.
    """
    webhooks.check_url(new.url)
    secret = new.secret or webhooks.new_secret()
    webhooks.check_secret(secret)
    own_headers.check(new.headers)
    events = new.events or (source1.EVENTS if new.format == Format.SOURCE1 else ("order.*",))
    _check_events(events, new.format)
    await _begin(connection, actor, "added")
    endpoint_id = await storage.endpoints.add(
        connection,
        url=new.url,
        secrets=[secret],
        format=new.format,
        ordering=new.ordering,
        events=events,
        headers=new.headers,
        trace=new.trace,
    )
    return WithSecret(endpoint_id, secret)


async def change(
    connection: Connection,
    endpoint_id: UUID,
    changes: Changes,
    *,
    actor: str,
    reason: str | None = None,
) -> None:
    """Change an endpoint; what it is owed goes to its new URL, and ``owed.release`` makes it due.

    New ``events`` are for what comes back from now on. Raises ``NotFound``, ``Invalid``,
    ``Conflict`` where settings say what is to be changed.
    """
    kept = await storage.endpoint_changes.lock(connection, endpoint_id)
    by_settings = (changes.url, changes.events, changes.format)
    if kept.built_in and any(value is not None for value in by_settings):
        raise Conflict(
            "The built-in endpoint is as WEBHOOK_OUTGOING_URL and ORDERBUS_WEBHOOK_OUTGOING_EVENTS "
            "say: change these, then type `orderbus migrate`"
        )
    changed = replace(
        kept,
        url=kept.url if changes.url is None else changes.url,
        events=list(kept.events if changes.events is None else changes.events),
        format=changes.format or kept.format,
        headers=own_headers.changed(kept.headers, changes.headers),
        trace=kept.trace if changes.trace is None else changes.trace,
    )
    webhooks.check_url(changed.url)
    _check_events(changed.events, changed.format)
    await _write(connection, kept, changed, "changed", actor=actor, reason=reason)


async def disable(
    connection: Connection, endpoint_id: UUID, *, actor: str, reason: str | None = None
) -> int:
    """Send an endpoint nothing more until it is enabled; returns how much is held for it.

    An attempt that is under way ends as it ends. One that is disabled already stays so, for the
    reason it was. Raises ``NotFound``.
    """
    kept = await storage.endpoint_changes.lock(connection, endpoint_id)
    if kept.disabled_at is None:
        why = reason or f"by {actor}"
        changed = replace(kept, disabled_at=kept.now, disabled_reason=why)
        await _write(connection, kept, changed, "disabled", actor=actor, reason=reason)
    return await storage.endpoint_changes.count_owed(connection, endpoint_id)


async def disable_gone(connection: Connection, claimed: Claimed, reason: str) -> None:
    """Disable an endpoint that says it is gone, unless somebody else has the delivery meanwhile.

    Raises ``Busy`` where somebody else holds the endpoint.
    """
    await _begin(connection, _WORKER, "disabled")
    await storage.endpoints.disable(
        connection,
        claimed.endpoint_id,
        reason=reason,
        delivery_id=claimed.delivery_id,
        lease=claimed.lease,
    )


async def enable(
    connection: Connection, endpoint_id: UUID, *, actor: str, reason: str | None = None
) -> int:
    """Tell a disabled endpoint again; returns how much was held, which ``owed.release`` makes due.

    Raises ``NotFound``.
    """
    kept = await storage.endpoint_changes.lock(connection, endpoint_id)
    if kept.disabled_at is None:
        return 0
    changed = replace(kept, disabled_at=None, disabled_reason=None)
    await _write(connection, kept, changed, "enabled", actor=actor, reason=reason)
    return await storage.endpoint_changes.count_owed(connection, endpoint_id)


async def rotate_secret(
    connection: Connection,
    settings: Settings,
    endpoint_id: UUID,
    *,
    actor: str,
    keep: timedelta = KEEP_OLD_SECRETS,
    secret: str | None = None,
    reason: str | None = None,
) -> WithSecret:
    """Sign with a new secret, and for the time of ``keep`` with the ones before it too.

    Raises ``NotFound``, ``Invalid``, ``Conflict`` where the secret is a setting, or where too many
    are kept already.
    """
    kept = await storage.endpoint_changes.lock(connection, endpoint_id)
    if kept.built_in and settings.webhook_outgoing_secret is not None:
        raise Conflict(
            "The built-in endpoint signs with WEBHOOK_OUTGOING_SECRET: change that, then type "
            "`orderbus migrate`; the one before signs for another 24 h"
        )
    if not timedelta(0) <= keep <= KEEP_AT_MOST:
        raise _invalid("keep", f"keep is {keep}: must be 0 to {KEEP_AT_MOST.days} days")
    new = secret or webhooks.new_secret()
    webhooks.check_secret(new)
    if new in kept.secrets:
        raise _invalid("secret", "The secret is one that the endpoint has already: give another")
    old = list(kept.secrets) if keep else []
    if len(old) >= MOST_SECRETS:
        raise Conflict(
            f"The endpoint has {len(old)} secrets already: wait until {kept.old_secrets_until}, "
            "when the old ones end, or drop them at once with --keep 0"
        )
    old_until = kept.now + keep if old else None
    changed = replace(kept, secrets=[new, *old], old_secrets_until=old_until)
    await _begin(connection, actor, "secret_rotated", reason)
    await storage.endpoint_changes.write(connection, changed)
    return WithSecret(endpoint_id, new, old_until)


async def remove(
    connection: Connection, endpoint_id: UUID, *, actor: str, reason: str | None = None
) -> int:
    """Send an endpoint nothing more; returns how much it is owed, which ``owed.skip`` skips.

    An attempt that is under way ends as it ends. Raises ``NotFound``.
    """
    await storage.endpoint_changes.lock(connection, endpoint_id)
    await _begin(connection, actor, "removed", reason)
    await storage.endpoints.remove(connection, endpoint_id)
    return await storage.endpoint_changes.count_owed(connection, endpoint_id)


async def _write(
    connection: Connection,
    kept: Kept,
    changed: Kept,
    action: str,
    *,
    actor: str,
    reason: str | None,
) -> None:
    """Write what was changed; nothing where it is as it was."""
    if changed != kept:
        await _begin(connection, actor, action, reason)
        await storage.endpoint_changes.write(connection, changed)


async def _begin(
    connection: Connection, actor: str, action: str, reason: str | None = None
) -> None:
    await storage.audit.begin(connection, actor=actor, action=f"endpoint.{action}", reason=reason)


def _check_events(patterns: Sequence[str], body_format: str) -> None:
    if not 1 <= len(patterns) <= _MOST_PATTERNS:
        message = f"events has {len(patterns)} patterns: must be 1 to {_MOST_PATTERNS}"
        raise _invalid("events", message)
    for pattern in patterns:
        check_pattern(pattern)
    if body_format == Format.SOURCE1:
        source1.check_events(patterns)


def _invalid(name: str, message: str) -> Invalid:
    return Invalid(message, [Fault(f"/{name}", name, message)])

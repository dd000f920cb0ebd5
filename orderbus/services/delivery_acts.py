"""Does what a person decides about a delivery: retry it now, skip it, or send it once more.

Each act on one delivery is one transaction, its caller's, with its line in the audit trail. Two
who act on the same one at once do it once: the other hears that somebody is at work on it.
"""

from __future__ import annotations

from typing import Final, NoReturn

from orderbus import storage
from orderbus.errors import Busy, Conflict
from orderbus.storage.database import Connection
from orderbus.storage.delivery_acts import Held
from orderbus.storage.delivery_views import Delivery

_SETTLED: Final = ("delivered", "skipped")


async def retry(
    connection: Connection, delivery_id: int, *, actor: str, reason: str | None
) -> Delivery:
    """Have a delivery attempted now, whatever its schedule says; one that is dead begins anew.

    One that is due already stays so. Raises ``NotFound``; ``Busy`` where it is under way;
    ``Conflict`` where it waits behind another, is held, or is settled.
    """
    held = await _held(connection, delivery_id)
    if held.state in _SETTLED:
        _refuse(held, f"was {held.state}", f"deliveries resend {held.id} sends it once more")
    if held.state == "dead":
        done = await storage.delivery_acts.redrive(connection, [held.id], by=actor)
    else:
        _refuse_waiting(held)
        if held.is_due:
            return await storage.delivery_views.get(connection, held.id)
        done = await storage.delivery_acts.retry(connection, [held.id])
    return await _noted(connection, held, done, "delivery.retried", actor, reason)


def _refuse_waiting(held: Held) -> None:
    if held.is_disabled:
        does = f"endpoints enable {held.endpoint_id} makes all due that it is owed"
        _refuse(held, "is held: its endpoint is disabled", does)
    if held.waits and held.behind is not None:
        does = f"deliveries retry {held.behind}, or skip, lets it go in its turn"
        _refuse(held, f"waits behind delivery {held.behind} of its order", does)
    if held.waits:
        why = "waits for an earlier event of its order, which did not come back from Pub/Sub yet"
        _refuse(held, why, "outbox status tells how far events are")


async def skip(connection: Connection, delivery_id: int, *, actor: str, reason: str) -> Delivery:
    """Let an endpoint never have an event; what waits behind it in its order goes on.

    Raises ``NotFound``; ``Busy`` where it is under way; ``Conflict`` where it is settled.
    """
    held = await _held(connection, delivery_id)
    if held.state == "dead":
        _refuse(held, "is dead, and its order goes on", "dead-letters discard closes its letter")
    if held.state in _SETTLED:
        by = f" by {held.decided_by}" if held.state == "skipped" and held.decided_by else ""
        _refuse(held, f"was {held.state} at {held.settled_at:%Y-%m-%d %H:%M:%S}{by}")
    done = await storage.delivery_acts.skip(connection, [held.id], by=actor, reason=reason)
    return await _noted(connection, held, done, "delivery.skipped", actor, reason)


async def resend(
    connection: Connection, delivery_id: int, *, actor: str, reason: str | None
) -> Delivery:
    """Send an event once more to an endpoint that had it, or was to have none: same id and body.

    Raises ``NotFound``, ``Busy``; ``Conflict`` where it was not settled yet, or cannot be sent.
    """
    held = await _held(connection, delivery_id)
    if held.state not in _SETTLED:
        now = "makes it due now"
        _refuse(held, f"is {held.state}, not delivered", f"deliveries retry {held.id} {now}")
    if not held.has_payload:
        _refuse(held, "cannot be sent again: its event's payload is not kept any more")
    done = await storage.delivery_acts.resend(connection, [held.id], by=actor, reason=reason)
    return await _noted(connection, held, done, "delivery.resent", actor, reason)


async def _held(connection: Connection, delivery_id: int) -> Held:
    held = await storage.delivery_acts.hold(connection, delivery_id)
    if held.under_way_until is not None:
        until = f"{held.under_way_until:%H:%M:%S}"
        message = (
            f"Delivery {held.id} is being attempted, until {until} UTC at most: ask again then"
        )
        raise Busy(message, dependency="")
    if held.is_removed:
        _refuse(held, "is for an endpoint that was removed")
    return held


async def _noted(
    connection: Connection,
    held: Held,
    done: list[int],
    action: str,
    actor: str,
    reason: str | None,
) -> Delivery:
    if done != [held.id]:
        message = f"Somebody else is at work on delivery {held.id}, or on the next of its order"
        raise Busy(message, dependency="postgres")
    delivery = await storage.delivery_views.get(connection, held.id)
    await storage.audit.add(
        connection,
        actor=actor,
        action=action,
        subject_type="delivery",
        subject_id=held.id,
        reason=reason,
        before={"state": held.state},
        after={"state": delivery.state},
    )
    return delivery


def _refuse(held: Held, why: str, todo: str | None = None) -> NoReturn:
    raise Conflict(f"Delivery {held.id} {why}" + (f": `orderbus {todo}`" if todo else ""))

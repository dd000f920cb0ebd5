"""Looks at what the subscription holds, and leaves it there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from google.api_core import exceptions
from google.cloud import pubsub_v1

from orderbus.domain.events import Numbered
from orderbus.errors import Poisoned
from orderbus.pubsub import topology
from orderbus.pubsub.messages import decode
from orderbus.settings import Settings

#: Messages that are asked for at a time, and seconds without one after which there are no more.
_CHUNK: Final = 1000
_SILENCE: Final = 3.0
#: Seconds for which nobody else gets what was looked at; it is given back before.
_HOLD: Final = 60


@dataclass(frozen=True, slots=True)
class Peeked:
    """What was seen, each event once; whether there may be ``more``, and what was not ours."""

    events: Sequence[Numbered]
    more: bool
    foreign: int


async def peek(settings: Settings, *, at_most: int) -> Peeked:
    """Look at up to about ``at_most`` messages and give them back.

    Bridges that run take some away meanwhile, and one that looks costs each message one of its
    deliveries. Raises ``Unavailable`` and ``Misconfigured`` as ``topology.ensure`` does.
    """
    return await asyncio.to_thread(_peek, settings, at_most)


def _peek(settings: Settings, at_most: int) -> Peeked:
    path = topology.subscription_path(settings)
    held: list[str] = []
    seen: dict[UUID, Numbered] = {}
    foreign, more = 0, True
    with topology.clients(settings) as (_, subscriber):
        try:
            while len(held) < at_most:
                messages = _pull(subscriber, path)
                if not messages:
                    more = False
                    break
                held += [message.ack_id for message in messages]
                for message in messages:
                    if (event := _read(message.message)) is None:
                        foreign += 1
                    else:
                        seen[event.event_id] = event
        finally:
            _hold(subscriber, path, held, seconds=0)
    return Peeked(list(seen.values()), more, foreign)


def _pull(subscriber: pubsub_v1.SubscriberClient, path: str) -> Sequence[Any]:
    request = {"subscription": path, "max_messages": _CHUNK}
    try:
        answer = subscriber.pull(request=request, timeout=_SILENCE, retry=None)
    except (exceptions.DeadlineExceeded, exceptions.NotFound):  # empty, or not there at all
        return []
    messages: Sequence[Any] = answer.received_messages
    _hold(subscriber, path, [message.ack_id for message in messages], seconds=_HOLD)
    return messages


def _hold(
    subscriber: pubsub_v1.SubscriberClient, path: str, ids: Sequence[str], *, seconds: int
) -> None:
    for begin in range(0, len(ids), _CHUNK):
        request = {
            "subscription": path,
            "ack_ids": ids[begin : begin + _CHUNK],
            "ack_deadline_seconds": seconds,
        }
        subscriber.modify_ack_deadline(request=request, timeout=topology.TIMEOUT, retry=None)


def _read(message: Any) -> Numbered | None:  # noqa: ANN401 - Google's message
    attributes = dict(message.attributes)
    sequence = attributes.get("sequence", "")
    try:
        announced = decode(message.data, attributes)
        order_id = UUID(attributes["ce-subject"])
    except (Poisoned, KeyError, ValueError):
        return None
    if not re.fullmatch("[0-9]{1,18}", sequence):
        return None
    return Numbered(
        announced.event_id,
        announced.occurred_at,
        order_id,
        int(sequence),
        announced.external_ref,
    )

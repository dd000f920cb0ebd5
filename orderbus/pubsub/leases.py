"""The messages we hold between their arrival and their acknowledgement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from google.api_core import exceptions
from google.cloud import pubsub_v1

from orderbus.pubsub import topology

#: Seconds between two extensions: one may get lost without a message coming again.
_EXTEND_EVERY: Final = topology.ACK_DEADLINE * 0.45
#: Ack ids one request may carry; Google's own client takes as many.
_AT_MOST: Final = 1000
_Say = Callable[[], None]
_AWAY: Final = (exceptions.ServiceUnavailable, exceptions.DeadlineExceeded)


class Leases:
    """The messages we hold: extended while held, settled many in one request.

    Settling is best effort, as Pub/Sub's own is: a message whose acknowledgement got lost comes
    again. But an acknowledgement goes only to that generation of the subscription which handed the
    message out: the emulator numbers ack ids from 1 again after a restart, so an old one would
    acknowledge a message that nobody has seen. Hence ``doubt`` and ``forget``.
    """

    def __init__(self, client: pubsub_v1.SubscriberClient, subscription: str) -> None:
        self._client = client
        self._subscription = subscription
        self._held: set[str] = set()
        self._acks: list[str] = []
        self._nacks: list[str] = []
        self._generation = 0
        self._trusted = False  # until ``trust``
        self._work = asyncio.Event()

    def hold(self, ack_id: str) -> tuple[_Say, _Say, _Say]:
        """Keep a message ours; returns what acknowledges it, gives it back, extends it no more."""
        self._held.add(ack_id)
        settle = partial(self._settle, ack_id, self._generation)
        return partial(settle, self._acks), partial(settle, self._nacks), partial(settle, [])

    def doubt(self) -> None:
        """Say nothing until it is known that the subscription is still the same."""
        self._trusted = False

    def trust(self) -> None:
        """Go on, and say what was kept back: the subscription is still the same."""
        self._trusted = True
        self._work.set()

    def forget(self) -> None:
        """Let go of everything: the subscription that handed it out is gone."""
        self._generation += 1
        self._held.clear()
        self._acks.clear()
        self._nacks.clear()

    async def keep(self) -> None:
        """Extend and settle until cancelled."""
        loop = asyncio.get_running_loop()
        extend_at = loop.time() + _EXTEND_EVERY
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(extend_at):
                    await self._work.wait()
            await self.settle()
            if loop.time() >= extend_at:
                held, extend = list(self._held), self._client.modify_ack_deadline
                await self._send(held, extend, ack_deadline_seconds=topology.ACK_DEADLINE)
                extend_at = loop.time() + _EXTEND_EVERY

    async def settle(self) -> None:
        """Send what was acknowledged and given back so far."""
        self._work.clear()
        await self._send(self._acks, self._client.acknowledge)
        await self._send(self._nacks, self._client.modify_ack_deadline, ack_deadline_seconds=0)

    def _settle(self, ack_id: str, generation: int, where: list[str]) -> None:
        if generation == self._generation and ack_id in self._held:
            self._held.remove(ack_id)
            where.append(ack_id)
            self._work.set()

    async def _send(self, ack_ids: list[str], request: Callable[..., Any], **content: int) -> None:
        """Send ``ack_ids`` and empty it; what could not be sent stays for another time."""
        while ack_ids and self._trusted:
            chunk, generation = ack_ids[:_AT_MOST], self._generation
            del ack_ids[: len(chunk)]
            try:
                await asyncio.to_thread(
                    request,
                    request={"subscription": self._subscription, "ack_ids": chunk, **content},
                    timeout=topology.TIMEOUT,
                    retry=None,
                )
            except _AWAY:
                if generation == self._generation:
                    ack_ids[:0] = chunk
                return
            except exceptions.GoogleAPICallError:
                continue  # refused: these messages come again

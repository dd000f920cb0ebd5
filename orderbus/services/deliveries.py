"""Attempts what is due: claims it, sends the webhooks side by side, and settles what came of them.

No exchange holds a thread or a connection to PostgreSQL. One statement claims as many as there are
free places, and one settles whatever ended while the last one was under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from orderbus import storage, telemetry
from orderbus.errors import Busy
from orderbus.services import attempts, endpoints
from orderbus.services.pacing import Pacing
from orderbus.services.shared import Together
from orderbus.services.taking import Taker
from orderbus.settings import Settings
from orderbus.storage.database import Database
from orderbus.storage.deliveries import Claimed, Outcome, Settled

if TYPE_CHECKING:
    from orderbus.egress.session import Session

#: Exchanges of one process at most: more than five endpoints have that stop answering at once.
PLACES: Final = 400
#: How long an attempt that began waits for PostgreSQL to come back: the endpoint may have the
#: webhook, and would get it twice, or be charged an attempt that it never had.
PATIENCE: Final = timedelta(minutes=5)
#: How long it takes to write down what came of an attempt.
_SETTLES_WITHIN: Final = timedelta(seconds=3)


class Sender(Taker[Claimed, Outcome]):
    """Attempts the deliveries of one process.

    An attempt is counted and written down before its first byte is sent. If this process dies, the
    lease ends and another attempt follows with the same ``webhook-id``.
    """

    def __init__(self, database: Database, http: Session, settings: Settings) -> None:
        """Have nothing under way."""
        self._lasts = settings.delivery_lease - settings.webhook_timeout
        alone = self._lasts - _SETTLES_WITHIN
        super().__init__(waits_alone=alone, settles_within=PATIENCE, places=PLACES)
        self._database = database
        self._http = http
        self._settings = settings
        self._pacing = Pacing(most=settings.webhook_in_flight)
        self._settling = Together(self._settle_all, at_most=PLACES)

    async def _claim(self, lease: UUID, at_most: int, *, suspects: bool) -> Sequence[Claimed]:
        async with self._database.transaction() as connection:
            return await storage.deliveries.claim(
                connection,
                lease=lease,
                length=self._settings.delivery_lease,
                in_flight=self._pacing.places,
                otherwise=self._pacing.first,
                at_most=at_most,
                suspects=suspects,
            )

    async def _attempt(self, claimed: Claimed, taken_at: float) -> Outcome:
        send_before = taken_at + self._lasts.total_seconds()
        outcome = await attempts.attempt(
            self._http, self._settings, claimed, send_before=send_before
        )
        if outcome.response is not None:
            self._pacing.hear(claimed.endpoint_id, outcome.response)
        return outcome

    def _handed_back(self, claimed: Claimed) -> Outcome:
        return Outcome(claimed, attempts.HANDED_BACK)

    async def _settle(self, outcome: Outcome) -> None:
        if outcome.settlement.disabled_reason is None:
            settled = await self._settling.hand_in(outcome)
        else:  # alone: somebody else may hold its endpoint
            (settled,) = await self._settle_all([outcome])
        if settled.busy:
            raise Busy("Somebody else holds the delivery", dependency="postgres")
        self.woken.set()  # what comes next in its order may be due, or a place of its endpoint free
        if settled.ours:
            _record(outcome, settled.seconds)

    async def _settle_all(self, outcomes: Sequence[Outcome]) -> Sequence[Settled]:
        async with self._database.transaction() as connection:
            for outcome in outcomes:
                if outcome.settlement.disabled_reason is not None:
                    await endpoints.disable_gone(
                        connection, outcome.claimed, outcome.settlement.disabled_reason
                    )
            return await storage.deliveries.settle(connection, outcomes)


def _record(outcome: Outcome, seconds: float) -> None:
    claimed, settlement, response = outcome.claimed, outcome.settlement, outcome.response
    telemetry.ATTEMPTS.labels(outcome=settlement.outcome).inc()
    log = telemetry.log.bind(
        delivery_id=claimed.delivery_id,
        endpoint_id=str(claimed.endpoint_id),
        attempt=claimed.attempt,
        status=response.status if response else None,
        error=response.error if response else None,
        **telemetry.about(claimed.event),
    )
    if settlement.state == "delivered":
        telemetry.DELIVERED.inc()
        telemetry.ACCEPT_TO_DELIVERED.observe(seconds)
        log.info("webhook_delivered")
        return
    log.warning("webhook_attempt_failed", again_in=settlement.after.total_seconds())
    if settlement.disabled_reason is not None:
        log.error(
            "endpoint_disabled",
            reason=settlement.disabled_reason,
            todo=f"orderbus endpoints enable {claimed.endpoint_id}",
        )
    if settlement.state == "dead":
        telemetry.DEAD_LETTERS.labels(kind="delivery").inc()
        log.error("dead_letter_written", kind="delivery", reason=settlement.reason)

"""What is decided about a delivery after an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a claimed delivery.

    ``state`` pending with ``after`` is a later attempt; ``charged`` false gives the attempt back.
    ``disabled_reason``: its endpoint was disabled, see ``storage.endpoints.disable``.
    ``outcome`` is the attempt's: delivered, failed or not_charged. ``without_result`` counts it
    among those that ended without one, whose number a result ends.
    """

    state: str
    outcome: str
    after: timedelta = timedelta(0)
    charged: bool = True
    without_result: bool = False
    disabled_reason: str | None = None
    reason: str | None = None
    error: str | None = None

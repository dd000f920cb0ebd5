"""What is tried again, after how long, and until when: every kind of work has its line here.

No other module holds a schedule. Nothing here knows the clock or chance: callers give jitter as a
number from 0 to 1, and SQL takes its pauses as parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Pauses:
    """Pauses that double with every failure in a row, from ``first`` up to ``most``.

    ``spread`` is the share by which jitter may shorten one, so that many do not come together.
    """

    first: timedelta
    most: timedelta
    spread: float = 0

    def after(self, failures: int, *, jitter: float = 0) -> timedelta:
        """Return the pause after so many failures in a row, counted from 1."""
        return min(self.first * (1 << min(failures - 1, 20)), self.most) * (
            1 - self.spread * jitter
        )


def _seconds(first: float, most: float | None = None, *, spread: float = 0) -> Pauses:
    longest = first if most is None else most
    return Pauses(timedelta(seconds=first), timedelta(seconds=longest), spread)


#: A queue message whose actor raised, and what has to be written down of it.
MESSAGE: Final = _seconds(2, 30, spread=0.5)

# What waits within a process for something to come back; see ``orderbus.waiting``.

#: A step of a delivery while PostgreSQL is away: the endpoint may have the webhook already.
DELIVERY_STEP: Final = _seconds(0.05, 0.5)
#: A bridge that begins while Pub/Sub is away.
BRIDGE_START: Final = _seconds(0.2, 2)
#: A batch that came back from Pub/Sub while PostgreSQL is away.
BRIDGE_BATCH: Final = _seconds(0.1, 2)
#: The subscription, and each stream on it, while Pub/Sub is away.
SUBSCRIPTION: Final = _seconds(0.1, 0.8)
#: A worker's consumer of a queue while RabbitMQ is away.
RABBITMQ_CONSUMER: Final = _seconds(0.5)
#: The port of health and metrics while another process has it.
PORT: Final = _seconds(0.5, 2)
#: A dependency or another migration, for which ``orderbus migrate`` waits.
MIGRATE: Final = _seconds(0.5)
#: A process that ``orderbus up`` or ``demo`` started, and what it shall bring about.
STARTED: Final = _seconds(0.05)

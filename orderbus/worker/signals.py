"""What each SIGTERM means to a worker process.

=========  =====================================================================================
the first  end in an orderly way; what is under way goes on for ``ORDERBUS_STOP_GRACE``
a second   hand it back at once
a third    end as you are: as Dramatiq takes the second
=========  =====================================================================================

A second one need not be impatience: whoever tells a whole group of processes, as systemd does,
tells each process, and Dramatiq's master tells them again.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


def hear(hurry: Callable[[], None]) -> None:
    """Call ``hurry`` at the second signal, and Dramatiq's own handler at the others."""
    end: Any = signal.getsignal(signal.SIGTERM)
    signals = 0

    def hear_one(number: int, frame: FrameType | None) -> None:
        nonlocal signals
        signals += 1
        if signals == 2:  # noqa: PLR2004 - see above
            hurry()
        else:
            end(number, frame)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hear_one)

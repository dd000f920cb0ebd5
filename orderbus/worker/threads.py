"""Names the threads of this worker that ended although they should not.

Dramatiq's threads end with an error that they do not expect, and nobody starts them anew: a worker
that lost some of them is deaf in part, and one that lost all of them looks well.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import dramatiq
from dramatiq.middleware import TimeLimit


def lost(broker: Any, worker: dramatiq.Worker) -> list[str]:  # noqa: ANN401 - either broker of ours
    """Name the threads that began and ended although the worker goes on."""
    if broker.stopping.is_set():  # they may end now, and a second SIGTERM would cut the end short
        return []
    return [
        name
        for name, thread in _needed(broker, worker)
        if thread.ident is not None and not thread.is_alive()
    ]


def _needed(broker: Any, worker: dramatiq.Worker) -> Iterator[tuple[str, Thread]]:  # noqa: ANN401 - the same
    for number, thread in enumerate(worker.workers, 1):
        yield f"worker {number}", thread
    for queue, consumer in dict(worker.consumers).items():
        yield f"consumer of {queue}", consumer
    for middleware in broker.middleware:
        if isinstance(middleware, TimeLimit) and isinstance(middleware.manager, Thread):
            yield "time limit", middleware.manager
    if broker.sender is not None:
        yield "enqueuer", broker.sender

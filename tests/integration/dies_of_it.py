"""A worker whose only message kills it: ``python -m tests.integration.dies_of_it URL``."""

from __future__ import annotations

import os
import signal
import sys
import time

import dramatiq
from dramatiq.middleware import AsyncIO

from orderbus.rabbitmq.broker import Broker
from tests.support.processes import end_at_once
from tests.support.rabbitmq_node import ready
from tests.support.waiting import PATIENCE

if __name__ == "__main__":
    url = sys.argv[1]
    broker = Broker(url=url, middleware=[AsyncIO()], delivery_limit=2)

    @dramatiq.actor(actor_name="probe", queue_name="probes", broker=broker)
    def dies(_: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    dramatiq.Worker(broker, worker_threads=1, worker_timeout=100).start()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and ready(url, "probes.XQ") == 0:
        time.sleep(0.1)
    end_at_once()

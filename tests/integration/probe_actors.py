"""Actors that misbehave, on the very broker orderbus uses; run with ``dramatiq``."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import dramatiq

from orderbus.actors.broker import broker


def _tell(word: str) -> None:
    with Path(os.environ["PROBE_FILE"]).open("a") as file:
        file.write(f"{word}\n")


@dramatiq.actor(broker=broker, queue_name="probes")
def kill() -> None:
    """Kill the process that runs this."""
    _tell("kill")
    os.kill(os.getpid(), signal.SIGKILL)


@dramatiq.actor(broker=broker, queue_name="probes")
def note(word: str) -> None:
    """Write down that this ran."""
    _tell(word)

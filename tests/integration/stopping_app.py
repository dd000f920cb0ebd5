"""A worker that is at work for ever, or breaks: ``dramatiq tests.integration.stopping_app``."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from pathlib import Path

import dramatiq
from dramatiq.middleware.threading import raise_thread_exception
from dramatiq.worker import WorkerThread

from orderbus.actors.broker import broker
from orderbus.actors.consumers import consumer
from orderbus.domain.events import Event
from orderbus.resources import Resources
from orderbus.services.consumptions import Ours
from orderbus.storage.database import Connection


async def wait_for_ever(_: Resources, __: Event, ___: Ours) -> None:
    """Say that it began, and never end."""
    Path(os.environ["PROBE_FILE"]).write_text("began")
    await asyncio.Event().wait()


@consumer("order.created", prepare=wait_for_ever)
async def never_ends(connection: Connection, event: Event, prepared: None) -> None:
    """Never come to this."""
    raise AssertionError(connection, event, prepared)


async def hold_on(_: Resources, __: Event, ___: Ours) -> None:
    """Say that it began, and end for nobody."""
    Path(os.environ["PROBE_FILE"]).write_text("began")
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


@consumer("order.created", prepare=hold_on)
async def never_lets_go(connection: Connection, event: Event, prepared: None) -> None:
    """Never come to this."""
    raise AssertionError(connection, event, prepared)


@dramatiq.actor(broker=broker, queue_name="probes", time_limit=30_000, max_retries=0)
def end_a_thread() -> None:
    """End another thread of the worker, as an error that nobody expected does."""
    others = [
        thread
        for thread in threading.enumerate()
        if isinstance(thread, WorkerThread) and thread is not threading.current_thread()
    ]
    raise_thread_exception(others[0].ident, SystemExit)  # type: ignore[no-untyped-call]

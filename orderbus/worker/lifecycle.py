"""How a worker process begins, and how it ends.

It begins whatever is away: resources connect when first used, and no message is taken before
PostgreSQL answers. Settings that cannot work end the whole worker with a sentence.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import os
import signal
import threading
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from functools import partial
from multiprocessing import parent_process
from types import FrameType
from typing import Any, Final, NoReturn, TypeVar, cast

import dramatiq
from dramatiq import Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import TimeLimit

from orderbus import event_loop, log_lines, telemetry
from orderbus import settings as settings_module
from orderbus.errors import Misconfigured, Unavailable
from orderbus.rabbitmq.memory_broker import AnyBroker
from orderbus.resources import Resources, open_resources
from orderbus.services.outbox import Relay
from orderbus.services.taking import Taker
from orderbus.settings import Settings
from orderbus.worker import health_server, shared_state

T = TypeVar("T")

#: What works on each kind of what is due, by its actor.
Takers = Mapping[str, Taker[Any, Any] | Relay]
#: What a worker does for as long as it runs, with what it holds open: for which queues, and what
#: names its threads that ended.
Dispatch = Callable[
    [Resources, Collection[str], Callable[[], list[str]]], Coroutine[Any, Any, None]
]

#: Exit code of a worker whose settings cannot work.
CANNOT_WORK: Final = 2
#: Exit code of a process that lost a part of itself.
BROKE: Final = 1
#: Seconds it then has to end in an orderly way, beside the grace for what is under way.
_ENDS_WITHIN: Final = 30.0

_open: Resources | None = None
_takers: Takers = {}
_broken = False


def resources() -> Resources:
    """Hand out what this worker process holds open; raises ``Unavailable`` before it booted."""
    if _open is None:
        raise Unavailable("The worker is not up yet")
    return _open


def takers() -> Takers:
    """Hand out what works on what is due here; raises ``Unavailable`` as ``resources``."""
    resources()
    return _takers


def wake(actor: str) -> None:
    """Have what is due to ``actor`` begun with; no message and no thread waits for that."""
    takers()[actor].woken.set()


def submit(work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Run ``work`` on the worker's event loop; raises ``Unavailable`` where that has ended."""
    thread = get_event_loop_thread()
    if thread is None or not thread.loop.is_running():
        work.close()
        raise Unavailable("The worker's event loop is not running")
    return asyncio.run_coroutine_threadsafe(work, thread.loop)


def exit_misconfigured(error: BaseException) -> NoReturn:
    """Say why this worker cannot work and end its process; Dramatiq then ends the others.

    The master hears no signal until each of its processes has said that it booted, or thirty
    seconds have passed. Leaving the boot in an orderly way says so, hence ``SystemExit``; and
    threads that would keep the process for ever are cut off a second later.
    """
    # File 2 itself: Dramatiq's sys.stderr leads through its master, which may end before it reads.
    os.write(2, f"orderbus: {error}\n".encode())
    shared_state.leave()
    ending = threading.Timer(1.0, os._exit, (CANNOT_WORK,))
    ending.daemon = True
    ending.start()
    raise SystemExit(CANNOT_WORK)


class Lifecycle(Middleware):
    """Opens the resources before the first message and closes them after the last."""

    def __init__(
        self,
        prepare: Callable[[Settings], None],
        take: Callable[[Resources], Takers],
        dispatch: Dispatch,
    ) -> None:
        """Hold nothing until the worker boots.

        ``prepare`` runs before the worker asks for its queues and may raise ``Misconfigured``.
        """
        self._prepare = prepare
        self._take = take
        self._dispatch = dispatch
        self._stack = AsyncExitStack()
        self._dispatching: concurrent.futures.Future[None] | None = None
        self._ending: concurrent.futures.Future[None] | None = None
        self._in_a_hurry = False

    @property
    def forks(self) -> list[Any]:
        """The one process beside the workers that shows metrics and health of all of them."""
        return [health_server.serve]

    def after_process_boot(self, broker: dramatiq.Broker) -> None:  # noqa: ARG002
        """Read the settings, or end the worker with a sentence."""
        try:
            settings = settings_module.load()
            self._prepare(settings)
        except Misconfigured as error:
            exit_misconfigured(error)
        log_lines.configure(settings, process="worker")

    def before_worker_boot(self, broker: dramatiq.Broker, worker: Worker) -> None:  # noqa: ARG002
        """Open database, publisher and HTTP session on the event loop; nothing connects yet.

        Dramatiq would go on after an error here, with nothing open.
        """
        global _open, _takers  # noqa: PLW0603 - one per worker process, as Dramatiq's event loop is
        cast("AnyBroker", broker).gate.clear()
        shared_state.report({})
        try:
            opening = self._stack.enter_async_context(open_resources(settings_module.load()))
            _open = submit(opening).result(timeout=30)
            _takers = self._take(_open)
        except Exception as error:  # noqa: BLE001 - a door: a worker without resources must not go on
            exit_misconfigured(error)

    def after_worker_boot(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """Start the dispatcher, which opens the gate."""
        queues = cast("set[str]", worker.consumer_whitelist or set(broker.queues))
        lost = partial(lost_threads, broker, worker)
        self._dispatching = submit(self._dispatch(resources(), queues, lost))
        self._dispatching.add_done_callback(_dispatching_ended)
        if parent_process() is not None:  # else it is nobody's to stop but its maker's
            event_loop.all_is_loaded()
            _hear_signals(self.hurry)

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: Worker) -> None:  # noqa: ARG002
        """Enqueue no more; what is under way goes on for a while, and is handed back then."""
        cast("AnyBroker", broker).stopping.set()
        if self._dispatching is not None:
            self._dispatching.cancel()
        self._ending = submit(_interrupt_after(resources().settings.stop_grace))
        if self._in_a_hurry:
            self.hurry()

    def hurry(self) -> None:
        """Hand back at once what is under way, whatever the grace says."""
        self._in_a_hurry = True
        if self._ending is not None:
            with suppress(Unavailable):  # the loop has ended: nothing is under way
                submit(_interrupt_after(timedelta(0)))

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: Worker) -> None:  # noqa: ARG002
        """Close what was opened, when nothing works with it any more."""
        global _open  # noqa: PLW0603 - see before_worker_boot
        for taker in _takers.values():
            submit(taker.idle()).result()  # at the latest when the grace is over
        if self._ending is not None:
            self._ending.cancel()
        submit(_interrupt_after(timedelta(0))).result(timeout=30)
        _open = None
        submit(self._stack.aclose()).result(timeout=30)
        if _broken:
            os._exit(BROKE)


async def _interrupt_after(grace: timedelta) -> None:
    await asyncio.sleep(grace.total_seconds())
    if _open is not None:  # else it has ended meanwhile
        _open.ending.set()
        await asyncio.gather(*(taker.interrupt() for taker in _takers.values()))


def _hear_signals(hurry: Callable[[], None]) -> None:
    """Let the first SIGTERM begin an orderly end, a second one ``hurry`` it, and a third cut it.

    Dramatiq's own handler takes the first and the third. A second one need not be impatience:
    whoever tells a whole group of processes, as systemd does, tells each process, and Dramatiq's
    master tells them again.
    """
    end: Any = signal.getsignal(signal.SIGTERM)
    signals = itertools.count(1)

    def hear(number: int, frame: FrameType | None) -> None:
        if next(signals) == 2:  # noqa: PLR2004 - see above
            hurry()
        else:
            end(number, frame)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hear)


def end_broken(why: str, **details: object) -> None:
    """End a process that lost a part of itself, in an orderly way: others do its work.

    Its exit code then says so, and Dramatiq's master ends the whole worker, for whoever started it
    to start it anew.
    """
    global _broken  # noqa: PLW0603 - one process, one end
    if _broken:
        return
    _broken = True
    telemetry.log.critical(why, **details)
    limit = resources().settings.stop_grace.total_seconds() + _ENDS_WITHIN
    ending = threading.Timer(limit, os._exit, (BROKE,))
    ending.daemon = True
    ending.start()
    os.kill(os.getpid(), signal.SIGTERM)


def _dispatching_ended(dispatching: concurrent.futures.Future[None]) -> None:
    """End a worker whose dispatcher broke: it would look alive and do nothing by itself."""
    if not dispatching.cancelled() and (error := dispatching.exception()) is not None:
        telemetry.log.critical("beat_ended", exc_info=error)
        os._exit(1)


def lost_threads(broker: Any, worker: Worker) -> list[str]:  # noqa: ANN401 - either broker of ours
    """Name the threads of this worker that ended although it goes on.

    Dramatiq's end with an error that they do not expect, and nobody starts them anew: a worker that
    lost some of them is deaf in part, and one that lost all of them looks well.
    """
    if broker.stopping.is_set():  # they may end now, and a second SIGTERM would cut the end short
        return []
    return [
        name
        for name, thread in _needed(broker, worker)
        if thread.ident is not None and not thread.is_alive()
    ]


def _needed(broker: Any, worker: Worker) -> Iterator[tuple[str, threading.Thread]]:  # noqa: ANN401 - the same
    for number, thread in enumerate(worker.workers, 1):
        yield f"worker {number}", thread
    for queue, consumer in dict(worker.consumers).items():
        yield f"consumer of {queue}", consumer
    for middleware in broker.middleware:
        if isinstance(middleware, TimeLimit) and isinstance(middleware.manager, threading.Thread):
            yield "time limit", middleware.manager
    if broker.sender is not None:
        yield "enqueuer", broker.sender

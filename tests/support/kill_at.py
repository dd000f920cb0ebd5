"""Runs a real process of orderbus that kills itself with SIGKILL at a named point.

    python kill_at.py POINT SCRIPT ARGUMENTS...

The code that runs is the code as it is; only the named function is wrapped.
"""

from __future__ import annotations

import functools
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from orderbus import services, storage
from orderbus.pubsub.publisher import Publisher
from orderbus.services.consumptions import Consuming

#: What is said before the end; whatever else ends a process does not say it.
LAST_WORDS = "killed at its point"


def die() -> NoReturn:
    os.write(2, f"{LAST_WORDS}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def before(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    async def wrapped(*_: Any, **__: Any) -> Any:
        die()

    return wrapped


def after(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    async def wrapped(*arguments: Any, **options: Any) -> Any:
        await call(*arguments, **options)
        die()

    return wrapped


def stop_before(call: Callable[..., Any]) -> Callable[..., Any]:
    """Stand still, as SIGSTOP has it, until somebody sends SIGCONT."""

    @functools.wraps(call)
    async def wrapped(*arguments: Any, **options: Any) -> Any:
        os.write(2, f"{LAST_WORDS}\n".encode())
        # To this very thread: another would stop the process while this one is at its next word to
        # PostgreSQL, which leaves a session in the middle of a statement, and no idle one.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return await call(*arguments, **options)

    return wrapped


def before_third(call: Callable[..., Any]) -> Callable[..., Any]:
    calls = 0

    @functools.wraps(call)
    async def wrapped(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            die()
        return await call(*arguments, **options)

    return wrapped


def after_third(call: Callable[..., Any]) -> Callable[..., Any]:
    """Die after the third call that did something."""
    done = 0

    @functools.wraps(call)
    async def wrapped(*arguments: Any, **options: Any) -> Any:
        nonlocal done
        answer = await call(*arguments, **options)
        done += answer is not None
        if done == 3:
            die()
        return answer

    return wrapped


#: A module that is named is loaded for its point alone: the broker's thread, made before a worker
#: forks, would pass for one that ended.
POINTS: dict[str, tuple[Any, str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    "web before its commit": (storage.orders, "add", before),
    "web after its commit": (storage.orders, "add", after),
    "worker between lease and publish": (Publisher, "publish", before),
    "worker between publish and mark": (storage.outbox, "settle", before),
    "bridge before its commit": (storage.inbox, "add", after),
    "bridge after its commit": ("orderbus.actors.broker", "wake_up", before),
    "worker between claim and request": (storage.deliveries, "claim", after),
    "worker between answer and settlement": (storage.deliveries, "settle", before),
    "worker between an effect and its mark": (storage.consumptions, "mark_done", before),
    "worker between an effect's commit and its end": (Consuming, "_have_effect", after),
    "worker between a job's third step and its commit": (storage.jobs, "advance", before_third),
    "worker after the commit of a job's third step": (services.jobs, "step", after_third),
    "repair before it lifts any order": (storage.restores, "lift", before),
    "repair between orders and ids": (storage.restores, "lift", after),
    "repair between ids and its entry": (storage.restores, "move_ids_on", after),
    "repair between its entry and its commit": (storage.audit, "add", after),
    "repair after its commit": (services.restores, "repair", after),
    "worker stopped between a job's step and its commit": (storage.jobs, "advance", stop_before),
    "worker between processing and its commit": (services.processing, "finish", before),
}


def run(command: list[str]) -> None:
    """Run a script, or a module after ``-m``, in this process."""
    sys.argv = command
    sys.path.insert(0, str(Path.cwd()))
    if sys.argv[0] == "-m":
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    place, name, wrap = POINTS[sys.argv[1]]
    place = import_module(place) if isinstance(place, str) else place
    setattr(place, name, wrap(getattr(place, name)))
    run(sys.argv[2:])

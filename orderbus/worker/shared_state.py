"""What the processes of one worker share: their metrics, and whether each is ready.

A folder of its own for each Dramatiq master, named after a secret that only its children know.
Every process that uses it holds a lock in it, so what a killed worker left behind is found and
removed by the next one.

Imports nothing of ours: ``prometheus_client`` looks for the folder's name once, when it is
imported, so this module comes before everything else in a worker.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from multiprocessing import current_process, parent_process
from pathlib import Path
from typing import IO, Final

_PREFIX: Final = f"orderbus-worker-{os.getuid()}-"
_LOCK: Final = "lock"

_held: IO[str] | None = None


def place() -> Path:
    """Name the directory: every process of one master names the same, and no other does."""
    mark = hashlib.sha256(b"orderbus" + bytes(current_process().authkey)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"{_PREFIX}{mark}"


def join() -> None:
    """Take part in the folder for as long as this process lives, and name it for the metrics."""
    global _held  # noqa: PLW0603 - one folder for each process
    directory = place()
    while _held is None:
        directory.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            lock = (directory / _LOCK).open("a")
            fcntl.flock(lock, fcntl.LOCK_SH)
            if (directory / _LOCK).exists():  # nobody swept it away in between
                _held = lock
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def leave() -> None:
    """Take part no longer, and remove the folder if nobody else does."""
    global _held  # noqa: PLW0603 - one folder for each process
    if _held is not None:
        _held.close()
        _held = None
    _remove_deserted(place())


def is_deserted() -> bool:
    """Whether the folder is there and no process takes part any more."""
    lock = _locked_alone(place())
    if lock is not None:
        lock.close()
    return lock is not None


def sweep() -> None:
    """Remove the folders of workers that were killed."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_deserted(directory)


def report(dependencies: Mapping[str, bool]) -> None:
    """Write down which dependencies this process reaches; call it at least every second."""
    draft = place() / f"{os.getpid()}.draft"
    with suppress(FileNotFoundError):
        draft.write_text(json.dumps(dependencies))
        draft.replace(place() / f"{os.getpid()}.ready")


def reports() -> list[tuple[timedelta, dict[str, bool]]]:
    """List what each process reported last, and how long ago."""
    return [
        (timedelta(seconds=time.time() - path.stat().st_mtime), json.loads(path.read_text()))
        for path in place().glob("*.ready")
    ]


def _remove_deserted(directory: Path) -> None:
    lock = _locked_alone(directory)
    if lock is not None:
        with lock:
            shutil.rmtree(directory, ignore_errors=True)


def _locked_alone(directory: Path) -> IO[str] | None:
    """Lock a folder for this call alone; None where somebody takes part in it, or it is gone."""
    try:
        lock = (directory / _LOCK).open("r")
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


if parent_process() is not None:
    join()

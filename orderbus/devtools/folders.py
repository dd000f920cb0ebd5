"""The folders that stacks keep their data in, each locked by the one that uses it."""

from __future__ import annotations

import fcntl
import itertools
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Final

from orderbus.errors import Misconfigured

#: Descriptors that every supervisor keeps open until it ends: a lock of them outlasts its starter.
kept_open: ContextVar[tuple[int, ...]] = ContextVar("kept_open", default=())

#: How a folder is named that one of these leads to, where it cannot be in it.
ELSEWHERE: Final = "orderbus-postgres-"
#: What every folder of a run holds.
_STARTER: Final = "starter.lock"
#: Seconds that the processes of a starter that crashed may take to end.
_ENDING: Final = 60.0


def write_private(file: Path, text: str) -> None:
    """Write a file that this user alone may read, whoever could read the one that was there."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


@contextmanager
def locked_folder(folder: Path, *, ending: float = _ENDING) -> Iterator[Path]:
    """Keep the folder for one starter at a time, until the last process it started has ended.

    Waits for up to ``ending`` seconds where a starter is gone and its processes still end. Raises
    ``Misconfigured`` where the folder is in use.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _STARTER).open("w") as starter, (folder / "lock").open("w") as lock:
        if not _lock(starter) or not _lock(lock, patience=ending):
            raise Misconfigured(
                f"Another orderbus uses {folder}: stop it, or name another folder with --data"
            )
        # Every supervisor holds the second lock too. So it outlasts a starter that crashed.
        token = kept_open.set((*kept_open.get(), lock.fileno()))
        try:
            yield folder
        finally:
            kept_open.reset(token)


@contextmanager
def free_folder(parent: Path, name: str) -> Iterator[Path]:
    """Keep the first folder ``name-N`` that nobody uses now: the same, warm one, if it can be."""
    with ExitStack() as stack:
        for number in itertools.count(1):
            try:
                folder = stack.enter_context(locked_folder(parent / f"{name}-{number}", ending=0))
            except Misconfigured:
                continue
            yield folder
            return


def remove_data(parent: Path) -> list[Path]:
    """Remove what local runs kept below ``parent``, and nothing else that may be there.

    Returns the folders that are gone. Raises ``Misconfigured``, and removes nothing, where one of
    them is in use.
    """
    folders = sorted(lock.parent for lock in parent.glob(f"*/{_STARTER}"))
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(locked_folder(folder))
        for folder in folders:
            for link in folder.iterdir():  # root's PostgreSQL may have had to live elsewhere
                if link.is_symlink() and link.resolve().name.startswith(ELSEWHERE):
                    shutil.rmtree(link.resolve(), ignore_errors=True)
            shutil.rmtree(folder)
    if parent.is_dir() and not any(parent.iterdir()):
        parent.rmdir()
    return folders


def _lock(file: IO[str], *, patience: float = 0) -> bool:
    # By hand: `make clean` runs this with a Python that has none of our dependencies.
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        else:
            return True

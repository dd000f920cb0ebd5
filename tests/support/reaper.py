"""Ends the process groups that a test run started when the run is gone, however that went.

The reaper is a process of its own that reads group numbers from a pipe: ``12`` is to be ended,
``-12`` has ended. When the pipe closes (the run was over, crashed or killed) what is left of them
is killed. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import Final

_reapers: Final[list[subprocess.Popen[bytes]]] = []


def watch(group: int) -> None:
    """Have a process group ended together with this run."""
    if not _reapers:
        command = [sys.executable, "-I", __file__]
        _reapers.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0, start_new_session=True)
        )
    _tell(group)


def forget(group: int) -> None:
    """Say that a group has ended: its number may become somebody else's."""
    _tell(-group)


def _tell(number: int) -> None:
    reaper = _reapers[0]
    assert reaper.stdin is not None
    reaper.stdin.write(f"{number}\n".encode())


def main() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        number = int(line)
        if number > 0:
            groups.add(number)
        else:
            groups.discard(-number)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()

"""What do processes take, as Linux counts it in /proc?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from orderbus.devtools.processes import Process

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
#: Of what follows the name in /proc/PID/stat: the parent, the four counters of CPU time (the
#: process's own, and those of its children that ended), and the resident pages.
_PARENT, _TIMES, _PAGES = 1, slice(11, 15), 21
#: The state of a listening socket in /proc/net/tcp.
_LISTEN = "0A"


def pid_of(process: Process) -> int:
    """Name the supervisor of a process: what runs under it is counted with it."""
    return process._supervisor.pid  # noqa: SLF001 - nobody else has a use for it


def seconds(*roots: int) -> float:
    """Add up the CPU seconds of these processes and of all their children, ended ones too."""
    return sum(sum(int(tick) for tick in _stat(pid)[_TIMES]) for pid in family(*roots)) / _TICKS


def resident(*roots: int) -> int:
    """Add up the resident bytes of these processes and their children; shared pages each time."""
    return sum(int(_stat(pid)[_PAGES]) for pid in family(*roots)) * _PAGE


def family(*roots: int) -> set[int]:
    """List these processes and all their children that run."""
    parents = {pid: int(_stat(pid)[_PARENT]) for pid in _running()}
    found: set[int] = set()
    more = {pid for pid in roots if pid in parents}
    while more:
        found |= more
        more = {pid for pid, parent in parents.items() if parent in more} - found
    return found


def ports(pid: int, *, listening: bool = False) -> set[int]:
    """List the local TCP ports on which a process listens, or else is connected."""
    sockets = set(_sockets(pid))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        int(line[1].rpartition(":")[2], 16)
        for line in lines
        if line[9] in sockets and (line[3] == _LISTEN) == listening
    }


def server_on(port: int) -> int:
    """Find the process that listens on a port; the parent where its children do, too."""
    return min(pid for pid in _running() if port in ports(pid, listening=True))


def _sockets(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                yield from re.findall(r"socket:\[(\d+)\]", str(descriptor.readlink()))


def _running() -> Iterator[int]:
    return (int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit())


def _stat(pid: int) -> list[str]:
    """Read what follows the name, which may hold anything; zeros for a process that ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 50

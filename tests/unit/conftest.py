"""The unit floor needs nothing that runs: no part of orderbus, and no other machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import pytest

#: The programs of the parts, and where they listen if nobody says otherwise.
PROGRAMS: Final = {"initdb", "postgres", "pg_ctl", "psql", "rabbitmq-server", "java", "gcloud"}
PORTS: Final = {5432, 5672, 15672, 8085}

_watched: Final[list[list[str]]] = []


class NotNeeded(AssertionError):
    """A unit test reached for what this floor does without."""


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse it to whoever does it in this process, in whichever thread; Python calls this."""
    if not _watched:
        return
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host, port = arguments[1][:2]
        if not _is_here(host) or port in PORTS:
            _refuse(f"connects to {host}:{port}")
    elif event == "subprocess.Popen":
        program, words = Path(str(arguments[0])), arguments[1]
        if program.name in PROGRAMS and "--version" not in words:
            _refuse(f"starts {program}")


def _refuse(what: str) -> None:
    _watched[-1].append(what)
    raise NotNeeded(what)


def _is_here(host: object) -> bool:
    try:
        return ip_address(str(host)).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(scope="session")
def parts() -> None:
    """What the other floors have started for them."""
    raise NotNeeded("asks for a part that runs")


@pytest.fixture(scope="session")
def _heard() -> None:
    sys.addaudithook(_hear)  # for good: nothing takes one away


@pytest.fixture(autouse=True)
def reached_for(_heard: None) -> Iterator[list[str]]:
    """What the test was refused; it fails by it, though the program took it for an outage."""
    _watched.append([])
    yield _watched[-1]
    assert _watched.pop() == []

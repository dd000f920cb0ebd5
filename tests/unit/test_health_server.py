"""The process that shows a worker's metrics ends with it, whoever tidied up after it."""

from __future__ import annotations

import fcntl
import time
from http.client import HTTPConnection
from pathlib import Path
from queue import Queue
from socket import AF_INET, AF_INET6

import pytest

from orderbus import health_server
from orderbus.worker import shared_state
from tests.support.forced import (
    end_of_health_server,
    show_metrics_of_worker,
    tell_health_server_to_stop,
)
from tests.support.ports import kept_port
from tests.support.waiting import PATIENCE


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "folder"
    monkeypatch.setattr(shared_state, "place", lambda: place)
    return place


def test_it_stays_while_a_worker_takes_part(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir()
    tell_health_server_to_stop(monkeypatch)
    with (place / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)

        assert not end_of_health_server()


def test_it_ends_when_nobody_takes_part_any_more(place: Path) -> None:
    place.mkdir()
    (place / "lock").touch()

    assert end_of_health_server()


def test_it_waits_for_workers_that_did_not_begin_yet(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_health_server_to_stop(monkeypatch, told=False)

    assert not place.exists()
    assert not end_of_health_server()


def test_it_ends_where_another_worker_swept_the_folder_away(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_health_server_to_stop(monkeypatch)

    assert not place.exists()
    assert end_of_health_server()


def test_it_shows_no_metrics_where_what_the_workers_counted_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "gone"))
    port = kept_port()
    show_metrics_of_worker(port)

    assert _asked(port, "/metrics") == (
        503,
        b'{"error": "unavailable", "detail": "No worker has counted yet"}',
    )

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert _asked(port, "/metrics")[0] == 200
    assert _asked(port, "/healthz?now")[0] == 200
    assert _asked(port, "/nowhere")[0] == 404
    assert _asked(port, "/healthz", method="HEAD") == (200, b"")


def test_it_listens_on_an_ipv6_address(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: Queue[tuple[int, tuple[str, int]]] = Queue()

    class Server:  # in place of a real one: not every machine has IPv6
        address_family = AF_INET

        def __init__(self, address: tuple[str, int], _: object) -> None:
            bound.put((self.address_family, address))

        def serve_forever(self) -> None:
            """Answer nobody."""

    monkeypatch.setattr(health_server, "ThreadingHTTPServer", Server)
    show_metrics_of_worker(9, "::1")

    assert bound.get(timeout=PATIENCE) == (AF_INET6, ("::1", 9))


def _asked(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Ask a health server, as soon as it is there."""
    deadline = time.monotonic() + PATIENCE
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        finally:
            connection.close()

"""The process that shows a worker's metrics ends with it, whoever tidied up after it."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from orderbus import telemetry
from orderbus.services.shared import SharedByThreads
from orderbus.worker import health_server, shared_state


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "folder"
    monkeypatch.setattr(shared_state, "place", lambda: place)
    return place


def ends() -> bool:
    try:
        health_server._end_when_deserted()
    except SystemExit:
        return True
    return False


def test_it_stays_while_a_worker_takes_part(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir()
    monkeypatch.setattr(health_server, "_stopping", True)
    with (place / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)

        assert not ends()


def test_it_ends_when_nobody_takes_part_any_more(place: Path) -> None:
    place.mkdir()
    (place / "lock").touch()

    assert ends()


def test_it_waits_for_workers_that_did_not_begin_yet(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_server, "_stopping", False)

    assert not place.exists()
    assert not ends()


def test_it_ends_where_another_worker_swept_the_folder_away(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_server, "_stopping", True)

    assert not place.exists()
    assert ends()


class Asked:
    """Stands in for a request; notes the answer."""

    status = 0

    def _answer(self, status: int, _content_type: str, _body: bytes) -> None:
        self.status = status


def shown() -> int:
    asked: Any = Asked()
    health_server._Handler._show_metrics(asked)
    status: int = asked.status
    return status


def test_it_shows_no_metrics_where_what_the_workers_counted_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_server, "_rendered", SharedByThreads(telemetry.render))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "gone"))

    assert shown() == 503

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert shown() == 200

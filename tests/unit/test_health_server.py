"""The process that shows a worker's metrics ends with it, whoever tidied up after it."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from orderbus.worker import shared_state
from tests.support.forced import (
    end_of_health_server,
    render_metrics_anew,
    status_of_metrics,
    tell_health_server_to_stop,
)


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
    render_metrics_anew(monkeypatch)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "gone"))

    assert status_of_metrics() == 503

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert status_of_metrics() == 200

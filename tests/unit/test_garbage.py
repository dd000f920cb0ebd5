"""Processes that run for long do not look through what they have loaded for garbage."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from orderbus import event_loop
from orderbus.commands import bridge
from orderbus.web import server
from orderbus.worker import lifecycle


@pytest.fixture
def _as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("_as_before")
def test_what_is_loaded_is_looked_through_for_garbage_no_more() -> None:
    loaded = [object]  # a list can hold itself, so it is looked through

    event_loop.all_is_loaded()

    assert all(loaded is not each for each in gc.get_objects())
    assert gc.get_freeze_count() > 10_000


@pytest.mark.usefixtures("_as_before")
def test_what_comes_later_and_holds_itself_is_still_found() -> None:
    event_loop.all_is_loaded()
    garbage: list[Any] = []
    garbage.append(garbage)
    del garbage

    assert gc.collect() >= 1


@pytest.mark.parametrize("begins", [server, bridge, lifecycle])
def test_web_bridge_and_worker_say_when_all_is_loaded(begins: ModuleType) -> None:
    assert "event_loop.all_is_loaded()" in inspect.getsource(begins)

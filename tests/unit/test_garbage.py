"""Processes that run for long do not look through what they have loaded for garbage."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType

import pytest

from orderbus.commands import bridge
from orderbus.web import server
from orderbus.worker import lifecycle

#: A process of its own: here it would find the garbage of other tests.
SCRIPT = """
import gc
from orderbus import event_loop
loaded = [object]  # a list can hold itself, so it is looked through
event_loop.all_is_loaded()
print(any(each is loaded for each in gc.get_objects()), gc.get_threshold()[0] > 700)
garbage = []
garbage.append(garbage)
del garbage
print(gc.collect() >= 1)
"""


def test_what_is_loaded_is_looked_through_no_more_and_what_comes_later_is() -> None:
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    ).stdout

    assert said.split() == ["False", "True", "True"]


@pytest.mark.parametrize("begins", [server, bridge, lifecycle])
def test_web_bridge_and_worker_say_when_all_is_loaded(begins: ModuleType) -> None:
    assert "event_loop.all_is_loaded()" in inspect.getsource(begins)

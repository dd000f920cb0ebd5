"""A test run that is killed takes the processes that it started with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import alive
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import subprocess, sys, time
from tests.support import reaper
sleep = ["sh", "-c", "sleep 180 & wait"]
to = subprocess.DEVNULL
started = [subprocess.Popen(sleep, start_new_session=True, stdout=to) for _ in range(3)]
for one in started:
    reaper.watch(one.pid)
reaper.forget(started[2].pid)
print(*(one.pid for one in started), flush=True)
time.sleep(180)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_run_had_started_ends_with_it(number: signal.Signals) -> None:
    run = subprocess.Popen([sys.executable, "-c", RUN], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    with run.stdout:
        *watched, forgotten = map(int, run.stdout.readline().split())
    assert alive({*watched, forgotten}) == {*watched, forgotten}

    run.send_signal(number)
    run.wait()

    until(lambda: not alive(set(watched)), "they ended")
    assert alive({forgotten}) == {forgotten}
    os.killpg(forgotten, signal.SIGKILL)

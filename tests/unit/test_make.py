"""What the targets about Docker have it do, and that others start anew when a file changes."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: What ``docker compose`` is asked for by each target, in this order.
ASKED = {
    "setup": ["up --build --detach --wait"],
    "start": ["up --build --detach"],
    "up": ["up --detach"],
    "stop": ["stop"],
    "restart": ["stop", "up --detach"],
    "restart-web": ["restart web"],
    "rebuild": ["down", "build --no-cache", "up --detach"],
    "down": ["down"],
    "logs": ["logs --follow"],
    "logs-orders": ["logs --follow web"],
    "logs-processor": ["logs --follow workers"],
    "db-logs": ["logs --follow db"],
    "pubsub-logs": ["logs --follow pubsub-emulator"],
    "emulator": ["up --detach --wait pubsub-emulator"],
    "clean": ["down --volumes --remove-orphans"],
    "reset": ["down --volumes --remove-orphans", "up --build --detach --wait"],
}
#: Stands in for Docker: notes what it is asked for, and does it at once.
DOCKER = """#!/bin/sh
echo "$*" >>"$ASKED"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with what make needs, on a machine where Docker seems to be."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", checkout / "scripts")
    for name in ("Makefile", ".env.example", "docker-compose.yml"):
        shutil.copy(ROOT / name, checkout)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    return checkout


def make(checkout: Path, *words: str) -> list[str]:
    """Type it; returns what Docker was asked for."""
    asked = checkout.parent / "asked"
    ran = subprocess.run(
        ["make", "--no-print-directory", "-o", "venv", "-o", "install", *words],
        cwd=checkout,
        env={
            **{name: value for name, value in os.environ.items() if name != "ORDERBUS_DATA"},
            "PATH": f"{checkout.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "ASKED": str(asked),
            "MAKEFLAGS": "",
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return asked.read_text().splitlines() if asked.exists() else []


@pytest.mark.parametrize("target", ASKED)
def test_a_target_about_containers_asks_docker_for_it(checkout: Path, target: str) -> None:
    first = "compose --file docker-compose.yml "
    asked = make(checkout, target)

    assert [line.removeprefix(first) for line in asked if line.startswith("compose ")] == (
        ASKED[target]
    )


@pytest.mark.parametrize("target", ["setup", "start", "up", "rebuild", "emulator"])
def test_what_starts_containers_makes_settings_that_nobody_else_knows(
    checkout: Path, target: str
) -> None:
    make(checkout, target)
    made = (checkout / ".env").read_text()

    assert "development-only" not in made
    assert (checkout / ".env").stat().st_mode & 0o077 == 0


def test_containers_of_a_killed_test_run_are_removed_before_the_tests_begin(
    checkout: Path,
) -> None:
    asked = make(checkout, "test-stop")
    planned = subprocess.run(
        ["make", "--dry-run", "test"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout

    assert "ps --all --quiet --filter label=orderbus.part" in asked
    assert -1 < planned.find("scripts/test-stop") < planned.find("pytest tests/unit")


def test_the_other_name_of_the_compose_file_includes_it() -> None:
    lines = [line for line in (ROOT / "compose.yml").read_text().splitlines() if line[:1] != "#"]

    assert lines == ["name: orderbus", "include:", "  - docker-compose.yml"]


class Reloading:
    """A command under ``scripts/reload.py``, and the lines that it and its command write."""

    def __init__(self, watched: Path, *command: str) -> None:
        script = str(ROOT / "scripts" / "reload.py")
        self.process = subprocess.Popen(
            [sys.executable, script, "--watch", str(watched), "--", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line.strip())

    def line(self) -> str:
        return self._lines.get(timeout=90)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(90)
        self._reader.join(90)
        return code


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "code.py").write_text("first")
    return folder


@pytest.fixture
def reloading(watched: Path) -> Iterator[Reloading]:
    words = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    reloading = Reloading(watched, sys.executable, "-c", words)
    yield reloading
    if reloading.process.poll() is None:
        reloading.end()


def write(path: Path, text: str) -> None:
    """Change a file once: written where it is, it would be empty first."""
    beside = path.parents[1] / path.name
    beside.write_text(text)
    beside.replace(path)


def test_a_command_is_started_anew_when_a_file_changes_and_ends_with_its_starter(
    reloading: Reloading, watched: Path
) -> None:
    first = reloading.line()
    write(watched / "code.py", "second, and longer")
    said, second = reloading.line(), reloading.line()
    reloading.end()

    assert said == f"{watched / 'code.py'} changed: starting anew"
    assert first != second
    for pid in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_a_new_file_and_one_that_goes_count_as_changes(reloading: Reloading, watched: Path) -> None:
    reloading.line()
    write(watched / "more.py", "new")
    added = reloading.line()
    reloading.line()
    (watched / "more.py").unlink()

    assert added == reloading.line() == f"{watched / 'more.py'} changed: starting anew"


def test_a_command_that_ended_is_started_again_with_the_next_change(watched: Path) -> None:
    reloading = Reloading(watched, sys.executable, "-c", "import sys; sys.exit(2)")
    ended = reloading.line()
    write(watched / "code.py", "mended it")
    said, again = reloading.line(), reloading.line()
    reloading.end()

    assert ended == again == "it ended with code 2: change a file"
    assert said.endswith("changed: starting anew")

"""An installed wheel runs the product, in an empty folder and far from any checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.test_up import PARTS
from tests.support import wheels
from tests.support.dependencies import in_the_way, open_folder
from tests.support.waiting import PATIENCE


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter, too."""
    with open_folder() as folder:
        yield folder


def install(folder: Path) -> Path:
    """Install the wheel into an environment of its own; returns its folder of programs.

    Its dependencies are those of this environment, which also has the checkout's orderbus; that
    one is not seen, since what makes it importable is read in this environment alone.
    """
    (folder / "built").mkdir()
    wheel = wheels.wheel(wheels.sources(folder), folder / "built")
    venv.create(folder / "env")
    python = folder / "env" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet")
    subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], check=True, cwd=folder)
    (packages,) = (folder / "env").glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def test_an_order_goes_all_the_way_where_only_the_wheel_is_installed(folder: Path) -> None:
    programs = install(folder)
    empty = folder / "empty"
    empty.mkdir()
    env = {name: value for name, value in os.environ.items() if name not in {*PARTS, "PYTHONPATH"}}

    def run(*command: str) -> str:
        # A demo that is killed here takes along what it started.
        done = subprocess.run(
            command,
            env=env,
            cwd=empty,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = json.loads(run(str(programs / "orderbus"), "demo", "--json", *in_the_way()))
    found = run(str(programs / "python"), "-c", "import orderbus; print(orderbus.__file__)")

    assert said["verified"] is True
    assert Path(found.strip()).is_relative_to(folder / "env")

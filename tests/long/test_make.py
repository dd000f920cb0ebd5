"""What takes minutes to type: the quickest measurement there is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(500)

ROOT = Path(__file__).resolve().parents[2]


def test_one_thing_is_measured_and_told(tmp_path: Path) -> None:
    for folder in ("bench", "orderbus", "examples", "migrations", "tests"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("Makefile", "setup.cfg", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    known = ["-o", "install", "-o", "parts", f"BIN={Path(sys.executable).parent}"]

    ran = subprocess.run(
        ["make", "--no-print-directory", *known, "bench", "ARGS=start --quick"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "web ready (s)" in ran.stdout
    assert list((tmp_path / "build" / "bench").iterdir())

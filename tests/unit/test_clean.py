"""``make clean`` removes what local runs kept, and nothing that is in use or somebody else's."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from orderbus.devtools.folders import ELSEWHERE, locked_folder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that may be cleaned, on a machine without Docker, after a run and two demos."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", checkout / "scripts")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "orderbus", checkout / "orderbus", ignore=ignored)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    for run in ("up", "demo-1", "demo-2"):
        with locked_folder(checkout / ".orderbus" / run) as folder:
            (folder / "kept").touch()
    return checkout


def clean(checkout: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    ours = {name: value for name, value in os.environ.items() if name != "ORDERBUS_DATA"}
    return subprocess.run(
        [checkout / "scripts" / "clean"],
        env={**ours, "PATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


def test_what_local_runs_kept_is_removed_also_where_a_link_leads(checkout: Path) -> None:
    elsewhere = Path(tempfile.mkdtemp(prefix=ELSEWHERE))
    (checkout / ".orderbus" / "up" / "postgres-15").symlink_to(elsewhere)

    cleaned = clean(checkout)

    assert cleaned.returncode == 0, cleaned.stderr
    assert not (checkout / ".orderbus").exists()
    assert not elsewhere.exists()
    assert (checkout / "scripts").exists()


def test_nothing_is_removed_while_one_of_them_runs(checkout: Path) -> None:
    (checkout / "build").mkdir()
    with locked_folder(checkout / ".orderbus" / "up"):
        refused = clean(checkout)

    assert refused.returncode == 1
    assert "Another orderbus uses" in refused.stderr
    assert {run.name for run in (checkout / ".orderbus").iterdir()} == {"up", "demo-1", "demo-2"}
    assert (checkout / "build").exists()


def test_what_else_is_in_the_folder_for_data_stays(checkout: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    (chosen / "photos").mkdir(parents=True)
    (checkout / ".orderbus").rename(chosen / "orderbus")
    with locked_folder(chosen / "up"):
        (chosen / "letter").touch()

    cleaned = clean(checkout, ORDERBUS_DATA=str(chosen))

    assert cleaned.returncode == 0, cleaned.stderr
    assert {left.name for left in chosen.iterdir()} == {"photos", "letter", "orderbus"}

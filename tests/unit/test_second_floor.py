"""The floors on Python 3.13 and PostgreSQL 17: what is missing is said, and fails in CI only."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Does as if it was a Python 3.13, and as pytest.
STAND_IN = """#!/bin/sh
echo 3.13
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the scripts, and a Python of which they ask nothing but its version."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", symlinks=True)
    for name in ("python", "pytest"):
        program = tmp_path / ".venv" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(STAND_IN)
        program.chmod(0o755)
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("cmp", "cp", "dirname", "mkdir", "rm", "sh"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def second_floor(checkout: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts" / "test-py313"],
        env={"PATH": str(checkout / "tools"), **env},
        check=False,
        capture_output=True,
        text=True,
    )


def npm_that_cannot(checkout: Path) -> None:
    npm = checkout / "tools" / "npm"
    npm.write_text("#!/bin/sh\necho npm error network >&2\nexit 1\n")
    npm.chmod(0o755)


def test_without_npm_a_laptop_is_told_that_postgresql_17_is_missing(checkout: Path) -> None:
    ran = second_floor(checkout)

    assert ran.returncode == 0, ran.stderr
    assert "there is no npm on PATH" in ran.stderr
    assert "PostgreSQL 17 is missing" in ran.stderr


def test_a_download_that_fails_is_said_and_fails_in_ci(checkout: Path) -> None:
    npm_that_cannot(checkout)
    ran = second_floor(checkout, CI="true")

    assert ran.returncode != 0
    assert "npm error network" in ran.stderr
    assert "npm could not install PostgreSQL 17" in ran.stderr


def test_a_download_that_fails_stops_nobody_on_a_laptop(checkout: Path) -> None:
    npm_that_cannot(checkout)

    assert second_floor(checkout).returncode == 0


def test_npm_is_given_the_hash_of_what_it_brings_and_no_host() -> None:
    text = (ROOT / "scripts" / "postgresql-17" / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    wanted = packages.pop("")["dependencies"]

    assert {
        name.removeprefix("node_modules/"): one["version"] for name, one in packages.items()
    } == (wanted)
    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert "://" not in text

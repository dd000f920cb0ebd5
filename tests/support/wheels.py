"""Builds wheels and source archives of this checkout, without the network and outside of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


def sources(folder: Path) -> Path:
    """Copy what a build needs: what goes into the image, too."""
    copy = folder / "sources"
    copy.mkdir()
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            kept = ROOT / line[1:]
            if kept.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(kept, copy / kept.name, ignore=ignored)
            else:
                shutil.copy(kept, copy)
    return copy


def archive(sources: Path, folder: Path) -> Path:
    """Make a source archive, as a build front end would."""
    code = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    _run(sys.executable, "-c", code, str(folder), cwd=sources)
    return next(folder.glob("*.tar.gz"))


def wheel(sources: Path, folder: Path) -> Path:
    """Build a wheel of a folder or of an archive, with the setuptools that is installed."""
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", *offline, str(sources), cwd=folder)
    return next(folder.glob("*.whl"))


def _run(*command: str, cwd: Path) -> None:
    run = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr

"""On what was it measured?"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orderbus.devtools import postgres

_PACKAGES = ("aiohttp", "asyncpg", "dramatiq", "google-cloud-pubsub", "pydantic", "uvloop")


def describe() -> dict[str, Any]:
    """Tell hardware, versions and commit."""
    binaries = postgres.binaries()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "hardware": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(memory),
        },
        "versions": {
            "python": platform.python_version(),
            "postgresql": _say([str(binaries / "postgres"), "--version"]) if binaries else "?",
            **{name: version(name) for name in _PACKAGES},
        },
        "commit": _say(["git", "rev-parse", "--short", "HEAD"]),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _say(command: list[str]) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return said.stdout.strip() or "unknown"

"""Runs a statement as fast as PostgreSQL can, by its own pgbench."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from orderbus.devtools import postgres


async def rate(env: dict[str, str], script: Path, seconds: int, *, clients: int) -> float:
    """Run a script with so many clients; returns transactions a second."""
    binaries = postgres.binaries()
    assert binaries is not None  # noqa: S101 - PostgreSQL was started from there
    process = await asyncio.create_subprocess_exec(
        str(binaries / "pgbench"),
        *("-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds)),
        *("-f", str(script), "-h", env["DB_HOST"], "-p", env["DB_PORT"], "-U", env["DB_USER"]),
        env["DB_NAME"],
        env={"PGPASSWORD": env["DB_PASS"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    found = re.search(rb"tps = ([0-9.]+)", out)
    if found is None:
        raise RuntimeError(err.decode())
    return float(found[1])

"""A process that stands still at a point of its own, as SIGSTOP from outside would have it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.waiting import PATIENCE


@asynccontextmanager
async def frozen(env: dict[str, str], program: str, *arguments: str) -> AsyncIterator[None]:
    """Run a program that says ``in its transaction`` and stops itself; it is killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *arguments),
        env={**os.environ, **env, "SECRET_KEY": "a key for tests"},
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            assert await process.stdout.readline() == b"in its transaction\n"
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()

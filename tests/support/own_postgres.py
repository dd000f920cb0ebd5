"""A PostgreSQL of one test's own, which nobody else writes to."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from orderbus.devtools import postgres
from orderbus.devtools.postgres import NativePostgres
from tests.support.ports import with_kept_ports


def missing(part: str) -> NoReturn:
    """Skip on a laptop, fail where CI is set."""
    message = f"{part} is not installed"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@asynccontextmanager
async def own_postgres(folder: Path, wheel: Path | None = None) -> AsyncIterator[NativePostgres]:
    """Start the installed one, or that of a ``wheel``, with its data in ``folder``."""
    binaries = wheel or postgres.binaries() or missing("PostgreSQL")
    part = with_kept_ports(
        NativePostgres(folder / "postgres", binaries, safe=False, embedded=wheel is not None)
    )
    try:
        await part.start(lambda _name, _line: None)
        yield part
    finally:
        await part.stop()

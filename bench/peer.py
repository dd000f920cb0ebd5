"""Starts the peers: small honest implementations of the accept endpoint, and a relay library."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from bench.parts import ROOT, silent
from orderbus.devtools.processes import HTTP_GREETING, Process, free_port, speaks, until

FOLDER = Path(__file__).with_name("peers")
_ENVIRONMENT = ROOT / "build" / "bench-peers"
_UVICORN = ("-m", "uvicorn", "--log-level", "warning", "--no-access-log", "--port", "{port}")
_GUNICORN = ("-m", "gunicorn", "-k", "gthread", "--threads", "8", "-b", "127.0.0.1:{port}")
#: The name of each peer in the report, and how it is started.
PEERS: Mapping[str, tuple[str, ...]] = {
    "aiohttp sketch": ("aiohttp_sketch.py", "{port}"),
    "FastAPI + asyncpg": (*_UVICORN, "fastapi_asyncpg:app"),
    "FastAPI + SQLAlchemy": (*_UVICORN, "fastapi_sqlalchemy:app"),
    "Django + DRF": (*_GUNICORN, "django_drf:application"),
}


def python() -> str:
    """Make the peers' own environment where it is missing or older than its pins; its Python."""
    pins = FOLDER / "requirements.txt"
    made_of = _ENVIRONMENT / "made-of"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    found = _ENVIRONMENT / "bin" / "python"
    if not made_of.exists() or made_of.read_text() != wanted:
        run = [sys.executable, "-m", "venv", "--clear", str(_ENVIRONMENT)]
        subprocess.run(run, check=True)  # noqa: S603 - our own command
        install = [str(found), "-m", "pip", "install", "-qq", "-r", str(pins)]
        subprocess.run(install, check=True)  # noqa: S603 - as above
        made_of.write_text(wanted)
    return str(found)


def variables(env: Mapping[str, str]) -> dict[str, str]:
    """Name the dependencies as the peers read them."""
    login = f"{env['DB_USER']}:{quote(env['DB_PASS'])}"
    place = f"{env['DB_HOST']}:{env['DB_PORT']}/{env['DB_NAME']}"
    return {**env, "DATABASE_URL": f"postgresql://{login}@{place}", "PYTHONPATH": ""}


@asynccontextmanager
async def running(name: str, env: Mapping[str, str]) -> AsyncIterator[tuple[int, Process]]:
    """Start a peer; yields its port, and its process."""
    port = free_port()
    command = [python(), *(word.format(port=port) for word in PEERS[name])]
    process = await Process.start(name, command, sink=silent, env=variables(env), cwd=FOLDER)
    try:
        await until(lambda: speaks(port, HTTP_GREETING), process, seconds=30, what=name)
        yield port, process
    finally:
        await process.stop()

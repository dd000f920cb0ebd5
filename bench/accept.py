"""How many orders does one web process accept, beside pgbench running the very same statement?"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time
from pathlib import Path

from bench import parts, statement
from bench.report import Goal
from orderbus.devtools import postgres
from orderbus.devtools.client import ask
from orderbus.devtools.processes import Process, free_port, until

CONNECTIONS = 32
ROUNDS = 3


async def measure(folder: Path, *, quick: bool) -> list[Goal]:
    """Take turns: pgbench, web, pgbench, web ...; compare the medians."""
    seconds = 2 if quick else 8
    async with parts.parts(folder, ["PostgreSQL", "Pub/Sub"]) as env:
        script = folder / "accept.sql"
        script.write_text(await statement.script())
        port = free_port()
        web = await Process.start(
            "web",
            [sys.executable, "-m", "orderbus", "web", "--port", str(port)],
            sink=parts.silent,
            env=env,
            cwd=folder,
        )
        try:
            ready = f"http://127.0.0.1:{port}/readyz"
            await until(lambda: ask("GET", ready), web, seconds=30, what="The web process")
            await load(port, 1)
            bare, ours, waits = [], [], []
            for _ in range(ROUNDS):
                bare.append(await _pgbench(env, script, seconds))
                rate, took = await load(port, seconds)
                ours.append(rate)
                waits += took
        finally:
            await web.stop()
    rate, limit = statistics.median(ours), statistics.median(bare)
    quantiles = statistics.quantiles(waits, n=100)
    detail = (
        f"{rate:.0f}/s beside pgbench's {limit:.0f}/s at {CONNECTIONS} connections; "
        f"p50 {quantiles[49]:.1f} ms, p99 {quantiles[98]:.1f} ms"
    )
    return [Goal("accept rate / pgbench", rate / limit, 0.30, at_least=True, detail=detail)]


async def _pgbench(env: dict[str, str], script: Path, seconds: int) -> float:
    binaries = postgres.binaries()
    assert binaries is not None  # noqa: S101 - PostgreSQL was started from there
    process = await asyncio.create_subprocess_exec(
        str(binaries / "pgbench"),
        *("-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "2", "-T", str(seconds)),
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


async def load(port: int, seconds: float) -> tuple[float, list[float]]:
    """Send orders over 32 connections; returns orders a second, and what each took (ms)."""
    waits: list[float] = []
    began = time.perf_counter()
    mark = f"{time.time_ns():x}"
    await asyncio.gather(
        *(_client(port, began + seconds, f"{mark}-{n}", waits) for n in range(CONNECTIONS))
    )
    return len(waits) / (time.perf_counter() - began), waits


async def _client(port: int, end: float, mark: str, waits: list[float]) -> None:
    """Send one order after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    template = json.dumps(parts.ORDER)
    number = 0
    while (began := time.perf_counter()) < end:
        number += 1
        body = template.replace("SO-10045", f"{mark}-{number}").encode()
        writer.write(
            b"POST /webhooks/orders/create/ HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 201"):
            raise RuntimeError(head.decode())
        length = re.search(rb"Content-Length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        waits.append((time.perf_counter() - began) * 1000)
    writer.close()

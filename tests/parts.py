"""The real parts the tests run against: started once, shared by every test of a run."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from orderbus.local import parts as local_parts
from orderbus.local.parts import Part

T = TypeVar("T")


class Background:
    """An event loop on a thread of its own, for what outlives a test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=120)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextmanager
def running_parts() -> Iterator[dict[str, Part]]:
    """Start PostgreSQL (without fsync), RabbitMQ and the emulator, unless they are named."""
    background = Background()
    with tempfile.TemporaryDirectory(prefix="orderbus-tests-") as folder:
        Path(folder).chmod(0o755)
        parts = local_parts.find(Path(folder), os.environ, safe=False)
        log = (Path(folder) / "log").open("w")

        def sink(name: str, line: str) -> None:
            log.write(f"{name} {line}\n")
            log.flush()

        async def start() -> None:
            await asyncio.gather(*(part.start(sink) for part in parts))

        async def stop() -> None:
            await asyncio.gather(*(part.stop() for part in parts))

        try:
            background.run(start())
            yield {part.name: part for part in parts}
        finally:
            background.run(stop())
            background.close()
            log.close()

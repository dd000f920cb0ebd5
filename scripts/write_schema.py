"""Writes ``migrations/schema.sql``, the schema as all migrations make it: ``make schema``."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from orderbus import settings as settings_module
from orderbus.devtools import postgres
from orderbus.errors import Misconfigured
from orderbus.settings import Settings
from orderbus.storage import migrations

VERSION = "15"
FILE = Path(__file__).resolve().parents[1] / "migrations" / "schema.sql"
HEAD = """\
-- The schema as the migrations make it, to be read; no migration itself. Written by `make schema`,
-- compared with the migrations by a test. Without the daily partitions of the partitioned tables.
"""
#: Of no interest: yoyo's own tables, and the days, which are others tomorrow.
LEFT_OUT = ("public._yoyo_*", "public.yoyo_*", f"*.*_{'[0-9]' * 8}")
#: What pg_dump says of itself, of each object, and to whoever restores a dump.
NOISE = re.compile(
    r"^--\n(-- .*\n)+--\n|^-- Dumped .*\n|^\\(un)?restrict .*\n|^SELECT pg_catalog\.set_config.*\n"
    r"|^SET (\w+_timeout|\w+_encoding|standard_conforming_strings|check_function_bodies|xmloption"
    r"|client_min_messages|row_security|default_tablespace|default_table_access_method) = .*;\n",
    re.MULTILINE,
)


def main() -> int:
    """Write it from a new database of a private PostgreSQL; returns an exit code."""
    binaries = postgres.binaries() or postgres.wheel()
    if binaries is None:
        sys.stderr.write("no PostgreSQL here: `make services` installs it or says how\n")
        return 1
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's user may not be this one
        try:
            FILE.write_text(asyncio.run(_fresh(Path(folder), binaries)))
        except Misconfigured as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


async def _fresh(folder: Path, binaries: Path) -> str:
    server = postgres.NativePostgres(folder / "postgres", binaries, safe=False)
    await server.start(lambda _name, _line: None)
    try:
        named = {key.lower(): value for key, value in server.env.items()}
        settings = settings_module.load(_env_file=None, debug=True, **named)
        await asyncio.to_thread(_migrate, settings)
        return await asyncio.to_thread(dump, settings, binaries)
    finally:
        await server.stop()


def _migrate(settings: Settings) -> None:
    with migrations.locked(settings, wait=timedelta(0), waiting=print):
        migrations.migrate(settings)


def dump(settings: Settings, binaries: Path) -> str:
    """Write down the schema of a migrated database, the same text on every day and machine.

    Raises ``Misconfigured`` where there is no ``pg_dump``, and where it or the server are of
    another version than the file: each version writes views, for one, in its own way.
    """
    if not (binaries / "pg_dump").exists():
        raise Misconfigured(f"there is no pg_dump in {binaries}")
    command = [str(binaries / "pg_dump"), "--schema-only", "--no-owner", "--no-privileges"]
    dumped = subprocess.run(  # noqa: S603 - a program found in known places
        [*command, *(f"--exclude-table={pattern}" for pattern in LEFT_OUT), settings.database_url],
        env={**os.environ, "LC_ALL": "C"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    versions = re.findall(r"^-- Dumped .* version (\d+)", dumped, re.MULTILINE)
    if versions != [VERSION, VERSION]:
        message = f"schema.sql is as PostgreSQL {VERSION} writes it; here are {versions}"
        raise Misconfigured(message)
    return HEAD + re.sub(r"\n{3,}", "\n\n", "\n\n" + NOISE.sub("", dumped)).rstrip()[1:] + "\n"


if __name__ == "__main__":
    sys.exit(main())

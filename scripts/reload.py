"""Runs a command and starts it anew when a file changes: ``make runserver``, ``make test-watch``.

``reload.py --watch PLACE --watch PLACE -- COMMAND ARGUMENTS``. Standard library only. A command
that ends by itself, as after a typing error, is started again with the next change.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

#: Seconds between two looks, and those a command may take to end before it is killed.
EVERY: Final = 0.5
PATIENCE: Final = 30.0
#: What a look takes in below a folder.
KINDS: Final = {".py", ".html", ".css", ".js", ".json", ".sql", ".cfg", ".toml", ".ini"}


def look(places: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """Note when each file changed, and its size."""
    found = {}
    for path in _files(places):
        try:
            now = path.stat()
        except FileNotFoundError:  # an editor is just replacing it
            continue
        found[path] = (now.st_mtime_ns, now.st_size)
    return found


def _files(places: Sequence[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            yield from (path for path in place.rglob("*") if path.suffix in KINDS)
        else:
            yield place


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a command in an orderly way, if it runs."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(places: Sequence[Path], command: Sequence[str]) -> int:
    """Run it until somebody ends it; returns an exit code."""

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    while True:
        seen = look(places)
        process, told = subprocess.Popen(command), False  # noqa: S603 - what make says
        try:
            while (now := look(places)) == seen:
                time.sleep(EVERY)
                if process.poll() is not None and not told:
                    told = True
                    sys.stderr.write(f"it ended with code {process.returncode}: change a file\n")
        except KeyboardInterrupt:
            return 130
        finally:
            stop(process)
        changed = sorted(str(path) for path, _ in seen.items() ^ now.items())
        sys.stderr.write(f"{changed[0]} changed: starting anew\n")


if __name__ == "__main__":
    words = sys.argv[1:]
    if "--" not in words:
        sys.exit(__doc__)
    watched, typed = words[: words.index("--")], words[words.index("--") + 1 :]
    sys.exit(main([Path(each) for each in watched if each != "--watch"], typed))

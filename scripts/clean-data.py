"""Removes what `make run` and `make demo` kept on this machine. Standard library only."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from orderbus.devtools.folders import remove_data  # noqa: E402 - found by the line above
from orderbus.errors import Misconfigured  # noqa: E402 - the same
from orderbus.files import default_data  # noqa: E402 - the same

if __name__ == "__main__":
    try:
        for folder in remove_data(default_data()):
            sys.stdout.write(f"removed {folder}\n")
    except Misconfigured as error:
        sys.exit(f"nothing was removed: {error}")

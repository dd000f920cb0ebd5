"""Runs orderbus's workers, which a poisonous order kills and a faulty one breaks.

    python die_of.py run_actors.py ARGUMENTS...

The code that runs is the code as it is; only the last step towards the endpoint is wrapped.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

from orderbus.egress import exchange

KILLS, BREAKS = "Kills its worker", "Breaks its worker"

_post = exchange.post


async def _dangerous(*arguments: Any, body: bytes, **options: Any) -> Any:
    if KILLS.encode() in body:
        os.kill(os.getpid(), signal.SIGKILL)
    if BREAKS.encode() in body:
        raise ZeroDivisionError(BREAKS)
    return await _post(*arguments, body=body, **options)


if __name__ == "__main__":
    exchange.post = _dangerous
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path.cwd()))
    runpy.run_path(sys.argv[0], run_name="__main__")

"""Runs the workers with orderbus's defaults; every option of ``dramatiq`` may follow.

Two processes of 16 threads: a thread only waits for its coroutine, so there are enough of them for
several endpoints that hang at the same time. The shutdown timeout lets an exchange finish.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from dramatiq import cli

DEFAULTS = ["--processes", "2", "--threads", "16", "--worker-shutdown-timeout", "60000"]
HERE = str(Path(__file__).resolve().parent)


def main() -> int:
    """Start Dramatiq with the actors; later options win over the defaults."""
    spec = find_spec("dramatiq.__main__")
    # On SIGHUP Dramatiq starts itself anew from sys.argv, so that has to be Dramatiq's own.
    program = str(spec.origin) if spec is not None else sys.argv[0]
    sys.argv = [program, "orderbus.actors", *DEFAULTS, "--path", HERE, *sys.argv[1:]]
    return int(cli.main() or 0)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    sys.exit(main())

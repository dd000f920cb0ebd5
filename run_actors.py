"""Runs the workers with orderbus's defaults; every option of ``dramatiq`` may follow.

Two processes of 16 threads: a thread only waits for its coroutine, so there are enough of them for
several endpoints that hang at the same time. The shutdown timeout lets an exchange finish.
"""

from __future__ import annotations

import sys

from dramatiq import cli

DEFAULTS = ["--processes", "2", "--threads", "16", "--worker-shutdown-timeout", "60000"]


def main() -> int:
    """Start Dramatiq with the actors; later options win over the defaults."""
    parser = cli.make_argument_parser()  # type: ignore[no-untyped-call]
    arguments = parser.parse_args(["orderbus.actors", *DEFAULTS, *sys.argv[1:]])
    return int(cli.main(arguments) or 0)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    sys.exit(main())

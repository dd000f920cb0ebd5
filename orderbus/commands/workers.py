"""``orderbus workers``: Dramatiq with the actors and orderbus's defaults."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Final

import click
from dramatiq import cli

#: A thread only wakes its process up, so none waits for what is under way; what a stop leaves time
#: for is ``ORDERBUS_STOP_GRACE``.
DEFAULTS: Final = ("--processes", "2", "--threads", "16", "--worker-shutdown-timeout", "60000")


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def workers(options: tuple[str, ...]) -> None:
    """Run the workers. Two processes of 16 threads each.

    Every option of `dramatiq` may follow, and wins over these defaults.
    """
    spec = find_spec("dramatiq.__main__")
    # On SIGHUP Dramatiq starts itself anew from sys.argv, so that has to be Dramatiq's own.
    program = str(spec.origin) if spec is not None else sys.argv[0]
    sys.argv = [program, "orderbus.actors", *DEFAULTS, *options]
    sys.exit(int(cli.main() or 0))  # type: ignore[no-untyped-call]

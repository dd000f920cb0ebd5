"""Shows the health, readiness and metrics of all processes of one worker, from one beside them."""

from __future__ import annotations

import signal
import sys
import time
from typing import Final

from orderbus import health_server, log_lines, services, telemetry
from orderbus import settings as settings_module
from orderbus.errors import Unavailable
from orderbus.services.health import Readiness
from orderbus.worker import shared_state

#: Seconds between two looks for the end of the workers.
_LOOK_AGAIN: Final = 0.5

_stopping = False


def serve() -> int:
    """Serve until the workers have ended, then remove what they shared. Runs beside them."""
    settings = settings_module.load()
    log_lines.configure(settings, process="watchpoint")
    _stay_until_the_last()
    shared_state.sweep()
    try:
        health_server.show(settings.metrics_host, settings.worker_metrics_port, _readiness, _render)
        while not _is_deserted():
            time.sleep(_LOOK_AGAIN)
    finally:
        shared_state.leave()
    return 0


def _readiness() -> Readiness:
    return services.health.together(shared_state.reports(), stopping=_stopping)


def _render() -> bytes:
    try:
        return telemetry.render()
    except (ValueError, OSError) as error:  # the folder is gone, and with it what they counted
        raise Unavailable("No worker has counted yet") from error


def _is_deserted() -> bool:
    """Whether the last worker has ended.

    A folder that is not there says so only once we were told to stop: perhaps nobody took part yet.
    """
    return shared_state.is_deserted() or (_stopping and not shared_state.place().exists())


def _stay_until_the_last() -> None:
    """Not be ready from the first signal on, but go on showing what still runs."""
    shared_state.leave()  # watches, and takes no part

    def stop(*_: object) -> None:
        global _stopping  # noqa: PLW0603 - Dramatiq's forks are told by signals alone
        if _stopping:
            sys.exit(0)
        _stopping = True

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)

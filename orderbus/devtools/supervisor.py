"""Runs one command, and ends it when whoever asked for it is gone, however that went.

    python supervisor.py SIGNAL GRACE USER COMMAND...

Standard input is a pipe that the starter holds open. When it closes (the starter let go, crashed
or was killed) the command gets SIGNAL, and after GRACE seconds its whole process group is killed.
USER is a name to run the command as, or "-". Exits with the command's code. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import signal
import subprocess
import sys


def main() -> int:
    """Guard the command until it ends."""
    number, grace, user = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    command = subprocess.Popen(  # noqa: S603 - what the starter names
        sys.argv[4:],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: _become(user),  # noqa: PLW1509 - no threads here
    )
    while command.poll() is None:
        ready, _, _ = select.select([0, woken], [], [])
        if 0 in ready and not os.read(0, 1):
            _end(command, number, grace)
        elif woken in ready:
            os.read(woken, 1024)
    _kill_group(command.pid)
    return command.returncode if command.returncode >= 0 else 128 - command.returncode


def _become(user: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    if user != "-":
        account = pwd.getpwnam(user)
        os.initgroups(user, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)


def _end(command: subprocess.Popen[bytes], number: int, grace: float) -> None:
    command.send_signal(number)
    try:
        command.wait(grace)
    except subprocess.TimeoutExpired:
        _kill_group(command.pid)
        command.wait()


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())

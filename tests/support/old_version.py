"""The version from which on upgrades are rolling, taken from the history."""

from __future__ import annotations

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.support.dependencies import ROOT

SINCE = (ROOT / "migrations" / "ROLLING_SINCE").read_text().strip()

#: Sends one message to each actor, as the version does that this runs in.
SEND_TO_ALL = """
import orderbus, orderbus.actors
from orderbus.actors.broker import broker
print("sent by", orderbus.__file__)
for name in broker.get_declared_actors():
    broker.get_actor(name).send()
    print("sent to", broker.get_actor(name).queue_name)
"""


def unpack(folder: Path) -> Path:
    """Unpack the tree of that version; fails without it, and skips in a clone that is shallow."""
    archive = ["git", "-C", str(ROOT), "archive", "--format=tar", SINCE]
    try:
        made = subprocess.run(archive, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"").decode(errors="replace").strip() or str(error)
        reason = (
            f"NOT TESTED: whether this version runs beside {SINCE[:12]}, from which on upgrades are"
            f" rolling. This clone has no history of it (git fetch --unshallow brings it): {said}"
        )
        (pytest.fail if is_whole() else pytest.skip)(reason)
    with tarfile.open(fileobj=BytesIO(made.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def is_whole() -> bool:
    """Whether this is a clone with all of its history."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "--is-shallow-repository"]
    return subprocess.run(asked, capture_output=True, check=False).stdout.strip() == b"false"

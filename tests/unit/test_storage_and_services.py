"""Do the two rooms behind every door stay readable by somebody who knows one of them?"""

from __future__ import annotations

from pathlib import Path

import orderbus

ROOM = Path(orderbus.__file__).parent
#: Services that keep no rows of their own.
WITHOUT_ROWS = {"bridge", "health", "ingress", "interruptions", "shared"}


def subjects(room: str) -> set[str]:
    """Name the modules of a room."""
    return {path.stem for path in (ROOM / room).glob("*.py")} - {"__init__"}


def test_a_subject_has_the_same_file_name_in_services_and_in_storage() -> None:
    assert subjects("services") - subjects("storage") <= WITHOUT_ROWS

"""The states of a job, and how fast it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

State = Literal["running", "paused", "cancelled", "done", "failed"]
STATES: Final[tuple[State, ...]] = ("running", "paused", "cancelled", "done", "failed")

Action = Literal["pause", "resume", "cancel"]
#: Where each action brings a job, and from where.
MOVES: Final[Mapping[Action, tuple[State, tuple[State, ...]]]] = {
    "pause": ("paused", ("running",)),
    "resume": ("running", ("paused", "failed")),
    "cancel": ("cancelled", ("running", "paused", "failed")),
}

#: Rows a second where nobody says how many, and the most that may be said.
RATE: Final = 500
HIGHEST_RATE: Final = 100_000
#: Rows of one step at most: its transaction is short, and what is undone by a crash is little.
AT_MOST: Final = 500

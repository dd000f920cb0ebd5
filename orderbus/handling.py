"""What web, workers, bridge and commands do with each error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from orderbus.errors import (
    Busy,
    Changed,
    Forbidden,
    Invalid,
    KeyReused,
    Misconfigured,
    MixedLines,
    NotFound,
    OrderbusError,
    Poisoned,
    Refused,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
    UnknownMediaType,
    Unseen,
)


class AtWork(Enum):
    """What a worker does with the queue message or consumption whose work raised."""

    RETRY = "tries it again for as long as it takes, and counts nothing"
    COUNT = "tries it again and counts it; when too many are counted, it is a dead letter"
    DEAD_LETTER = "makes it a dead letter at once"


class OnReturn(Enum):
    """What the bridge does with the messages whose recording raised."""

    RETRY = "keeps all of them, and tries again"
    PUT_OFF = "takes them apart, and tries those that wait for a lock again later"
    DEAD_LETTER = "takes them apart, and makes the one that fails a dead letter"
    EXIT = "exits, and Pub/Sub delivers them again"


@dataclass(frozen=True, slots=True)
class Handling:
    """What each kind of process does with an error.

    Web answers with ``status``, and a command exits with ``exit_code``.
    """

    status: int
    worker: AtWork
    bridge: OnReturn
    exit_code: int = 1


#: What is done with an error: the nearest class above it decides.
HANDLING: Final[Mapping[type[Exception], Handling]] = {
    Exception: Handling(500, AtWork.COUNT, OnReturn.DEAD_LETTER),
    OrderbusError: Handling(503, AtWork.COUNT, OnReturn.DEAD_LETTER),
    Refused: Handling(409, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    Unauthenticated: Handling(401, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    Forbidden: Handling(403, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    NotFound: Handling(404, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    Invalid: Handling(400, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    MixedLines: Handling(422, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    TooLarge: Handling(413, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    UnknownMediaType: Handling(415, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    KeyReused: Handling(422, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    TooMany: Handling(429, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    Changed: Handling(412, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    Unseen: Handling(428, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    Unavailable: Handling(503, AtWork.RETRY, OnReturn.RETRY, exit_code=3),
    Busy: Handling(503, AtWork.RETRY, OnReturn.PUT_OFF, exit_code=3),
    Poisoned: Handling(503, AtWork.DEAD_LETTER, OnReturn.DEAD_LETTER),
    Misconfigured: Handling(503, AtWork.RETRY, OnReturn.EXIT, exit_code=2),
}


def handling(error: BaseException) -> Handling:
    """Look up what is done with ``error``."""
    kinds = (kind for kind in type(error).__mro__ if kind in HANDLING)
    return HANDLING[next(kinds, Exception)]

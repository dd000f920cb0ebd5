"""Which refusals exist, and what a caller may do about each.

::

    OrderbusError
    ├── Refused            the answer is no, and asking again will not change it
    │   ├── Unauthenticated    who you are was not shown, or not believed
    │   ├── Forbidden          who you are does not allow it
    │   ├── NotFound
    │   ├── Invalid            the input is wrong; ``faults`` names each field and its reason
    │   │   ├── TooLarge
    │   │   └── UnknownMediaType
    │   ├── Conflict
    │   │   ├── KeyReused      an idempotency key came back with another content
    │   │   ├── UnderWay       the first request with this idempotency key is not answered yet
    │   │   └── IllegalMove    an order cannot go from where it is to where it was sent
    │   └── Changed            it is no longer what the caller saw
    ├── Unavailable        a neighbour did not answer; the same call may work later
    │   ├── Busy               somebody else has locked what this needs
    │   └── Denied             RabbitMQ refuses our user: a setting has to change
    ├── Poisoned           this message can never succeed; bury it with its reason
    └── Misconfigured      the settings cannot work; say why and exit

Web turns them into a status and a problem body, actors into retry or burial, the bridge into
ack or leave. ``code`` is stable: callers, rows and dashboards may rely on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final

#: Faults that are said of one input, however many it has.
MOST_FAULTS: Final = 100


class OrderbusError(Exception):
    """Something orderbus expected to go wrong went wrong.

    ``told`` is our own sentence, which a caller may read. ``because`` adds what a neighbour said:
    hosts and users may be in it, so only ``str`` has it: for logs and who types commands.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str = "", *, because: str = "") -> None:
        """Say what went wrong."""
        super().__init__(f"{message}: {because}" if because else message)
        self.told = message


class Refused(OrderbusError):
    """The answer is no, and asking again will not change it."""

    code = "refused"


class Unauthenticated(Refused):
    """Who is calling was not shown, or not believed."""

    code = "unauthenticated"


class Forbidden(Refused):
    """The caller may not do this."""

    code = "forbidden"


class NotFound(Refused):
    """There is no such thing."""

    code = "not_found"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input: where (a JSON pointer, RFC 6901) and why."""

    pointer: str
    code: str
    detail: str


class Invalid(Refused):
    """The input is wrong; ``faults`` names each place and its reason."""

    code = "invalid"

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        """Carry the faults found, up to a hundred, so that a sender can mend them in one go."""
        super().__init__(message)
        self.faults = tuple(faults[:MOST_FAULTS])


class TooLarge(Invalid):
    """The input is larger than this door admits."""

    code = "too_large"


class UnknownMediaType(Invalid):
    """The input is of a kind this door does not read."""

    code = "unknown_media_type"


class Conflict(Refused):
    """The thing exists already, with another content."""

    code = "conflict"


class KeyReused(Conflict):
    """An idempotency key came back with another content."""

    code = "idempotency_key_reused"


class UnderWay(Conflict):
    """The first request with this idempotency key is not answered yet."""

    code = "under_way"


class IllegalMove(Conflict):
    """An order in status ``source`` cannot go to ``target``."""

    code = "illegal_move"

    def __init__(self, message: str, *, source: str, target: str) -> None:
        """Say in ``message`` what is allowed."""
        super().__init__(message)
        self.source = source
        self.target = target


class Changed(Refused):
    """It is no longer what the caller saw (``If-Match``, RFC 9110 section 13.1.1)."""

    code = "changed"


class Unavailable(OrderbusError):
    """A neighbour did not answer; the same call may work after ``retry_after``."""

    code = "unavailable"

    def __init__(
        self,
        message: str,
        *,
        because: str = "",
        part: str = "",
        retry_after: timedelta = timedelta(seconds=1),
    ) -> None:
        """Name the neighbour in ``message``, which is read first; ``part`` is its short name."""
        super().__init__(message, because=because)
        self.part = part
        self.retry_after = retry_after


class Busy(Unavailable):
    """Somebody else has locked what this needs, and did not let go in time."""


class Denied(Unavailable):
    """RabbitMQ knows us not, or not in this virtual host: a person has to change a setting."""

    code = "rabbitmq_denied"


class Poisoned(OrderbusError):
    """This message can never succeed; ``reason`` is the short word its dead letter carries."""

    code = "poisoned"

    def __init__(self, message: str, *, reason: str) -> None:
        """Say in ``message`` what a person needs to mend it."""
        super().__init__(message)
        self.reason = reason


class Misconfigured(OrderbusError):
    """The settings cannot work; a process that meets this exits with its message.

    ``part`` is the short name of who refuses us, where a running process meets it.
    """

    code = "misconfigured"

    def __init__(self, message: str = "", *, because: str = "", part: str = "") -> None:
        """Say in ``message`` which setting is wrong, or who refuses us."""
        super().__init__(message, because=because)
        self.part = part

"""Every error that orderbus expects.

::

    OrderbusError
    ├── Refused            the answer is no, and asking again will not change it
    │   ├── Unauthenticated    who you are was not shown, or not believed
    │   │   └── BadToken       a token is none of ours, has expired or was revoked
    │   ├── Forbidden          who you are does not allow it
    │   ├── NotFound
    │   ├── Invalid            the input is wrong; ``faults`` names each field and its reason
    │   │   ├── MixedLines     some lines are of products that are sold, and some are not
    │   │   ├── TooLarge
    │   │   └── UnknownMediaType
    │   ├── Conflict
    │   │   ├── OtherContent   an order is there under this reference, and is another one
    │   │   ├── KeyReused      an idempotency key came back with another content
    │   │   ├── UnderWay       the first request with this idempotency key is not answered yet
    │   │   ├── IllegalMove    an order cannot go from where it is to where it was sent
    │   │   ├── PriceChanged   the catalogue has other prices than the caller expected
    │   │   └── OutOfStock     there is not enough of every product
    │   ├── Changed            it is no longer what the caller saw
    │   ├── Unseen             the caller does not say what it saw
    │   └── TooMany            it was tried too often; it may be tried again later
    ├── Unavailable        a dependency did not answer; the same call may work later
    │   ├── Busy               somebody else has locked what this needs
    │   │   └── LeaseLost          somebody else has taken what was ours
    │   ├── Behind             a replica does not have yet what the caller saw
    │   ├── Unroutable         RabbitMQ has no queue for a message
    │   └── Denied             RabbitMQ refuses our user: a setting has to change
    ├── Poisoned           this message can never succeed; its dead letter has the reason
    │   └── BadMessage     a queue message that a worker must not act on
    ├── Misconfigured      a person has to change a setting before anything can work
    └── Died               a process ended that should have gone on

``handling.py`` says what web, workers, bridge and commands do with each. ``code`` is stable:
callers, rows and dashboards may rely on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Final
from uuid import UUID

#: What a line costs: its ``sku``, ``quantity`` and ``unit_price``.
Prices = Mapping[str, str | int]
#: Faults that are said of one input, however many it has.
MOST_FAULTS: Final = 100


class OrderbusError(Exception):
    """Something orderbus expected to go wrong went wrong.

    ``detail`` is our own sentence, which a caller may read. ``because`` adds what a dependency
    answered: hosts and users may be in it, so only ``str`` has it: for logs and who types commands.
    ``dependency`` is its short name, and ``reason`` the short word that a dead letter carries.
    """

    code: ClassVar[str] = "error"
    #: When the same call may work, where that is worth a try.
    retry_after: timedelta | None = None

    def __init__(self, message: str = "", *, because: str = "", dependency: str = "") -> None:
        """Say what went wrong; whose fault it is comes first."""
        super().__init__(f"{message}: {because}" if because else message)
        self.detail = message
        self.dependency = dependency
        self.reason = self.code


class Refused(OrderbusError):
    """The answer is no, and asking again will not change it."""

    code = "refused"


class Unauthenticated(Refused):
    """Who is calling was not shown, or not believed."""

    code = "unauthenticated"


class BadToken(Unauthenticated):
    """A token is none of ours, has expired or was revoked."""

    code = "token_not_valid"


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
        super().__init__(message)
        self.faults = tuple(faults[:MOST_FAULTS])


class MixedLines(Invalid):
    """Some lines are of products that are sold, and some are not."""

    code = "mixed_lines"


class TooLarge(Invalid):
    """The input is larger than this door admits."""

    code = "too_large"


class UnknownMediaType(Invalid):
    """The input is of a kind this door does not read."""

    code = "unknown_media_type"


class Conflict(Refused):
    """The thing exists already, with another content."""

    code = "conflict"


class OtherContent(Conflict):
    """The order with our uuid ``order_id`` has this reference, and another content."""

    def __init__(self, message: str, *, order_id: UUID) -> None:
        super().__init__(message)
        self.order_id = order_id


class KeyReused(Conflict):
    """An idempotency key came back with another content."""

    code = "idempotency_key_reused"


class UnderWay(Conflict):
    """The first request with this idempotency key is not answered yet."""

    code = "under_way"
    retry_after = timedelta(seconds=1)


class IllegalMove(Conflict):
    """An order that is at ``source`` cannot go to ``target``; ``allowed`` can be done to it."""

    code = "illegal_move"

    def __init__(
        self, message: str, *, source: str, target: str, allowed: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.source = source
        self.target = target
        self.allowed = tuple(allowed)


@dataclass(frozen=True, slots=True)
class ShortLine:
    """A product of which less could be had than is wanted."""

    sku: str
    wanted: int
    available: int


class OutOfStock(Conflict):
    """There is too little of some products; ``short`` names each."""

    code = "out_of_stock"

    def __init__(self, message: str, *, short: Sequence[ShortLine]) -> None:
        super().__init__(message)
        self.short = tuple(short[:MOST_FAULTS])


class PriceChanged(Conflict):
    """The catalogue makes another ``total`` of it than was expected; ``prices`` has each line."""

    code = "price_changed"

    def __init__(self, message: str, *, total: str = "", prices: Sequence[Prices] = ()) -> None:
        super().__init__(message)
        self.total = total
        self.prices = tuple(prices)


class Changed(Refused):
    """It is no longer what the caller saw (``If-Match``, RFC 9110 section 13.1.1)."""

    code = "changed"


class Unseen(Refused):
    """The change has to say which version it is of (``If-Match``, RFC 6585 section 3)."""

    code = "unseen"


class TooMany(Refused):
    """It was tried ``limit`` times in vain, and may be tried again after ``retry_after``."""

    code = "too_many_tries"
    retry_after = timedelta(seconds=60)
    limit = 1


class Unavailable(OrderbusError):
    """A dependency did not answer; the same call may work after ``retry_after``."""

    code = "unavailable"
    retry_after = timedelta(seconds=1)


class Busy(Unavailable):
    """Somebody else has locked what this needs, and did not let go in time."""


class LeaseLost(Busy):
    """Somebody else has taken what was ours for a while."""


class Behind(Unavailable):
    """The replica does not have yet what the caller saw, or is none any more."""


class Unroutable(Unavailable):
    """The queue a message was meant for is not there."""

    code = "queue_missing"


class Denied(Unavailable):
    """RabbitMQ does not know our user, or not in this virtual host: a setting has to change."""

    code = "rabbitmq_denied"


class Poisoned(OrderbusError):
    """This message can never succeed; its sentence says what a person needs to mend it."""

    code = "poisoned"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class BadMessage(Poisoned):
    """A worker must not act on this queue message; ``message`` is what could be read of it."""

    code = "refused_message"

    def __init__(self, detail: str, *, reason: str = "malformed", message: object = None) -> None:
        """Say in ``detail`` which member is wrong, and what is allowed."""
        super().__init__(detail, reason=reason)
        self.message = message


class Misconfigured(OrderbusError):
    """A person has to change a setting, or what a dependency allows us, before anything can work.

    Who meets this while it begins exits, and so do workers and bridge later; web answers 503.
    """

    code = "misconfigured"
    retry_after = timedelta(seconds=1)


class Died(OrderbusError):
    """A process ended that should have gone on."""

    code = "died"

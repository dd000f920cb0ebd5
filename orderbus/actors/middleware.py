"""What becomes of a message whose actor raised?

Decided here, by the error's class, and not in the actors' bodies:

===============  ====================================================================
``Unavailable``  tried again, for as long as it takes, and never counted: not its fault
``Refused``,     buried at once: it can never succeed
``Poisoned``
anything else    a bug or a fault: tried again ``max_retries`` times, then buried
===============  ====================================================================

Buried means a row in PostgreSQL. A message that can be neither tried again nor buried is kept.
"""

from __future__ import annotations

import traceback
from typing import Any, Final

from dramatiq import Broker, Middleware
from dramatiq.broker import MessageProxy
from dramatiq.common import compute_backoff

from orderbus import services, telemetry
from orderbus.actors import boot
from orderbus.errors import Misconfigured, Poisoned, Refused, Unavailable

MAX_RETRIES: Final = 3
#: Milliseconds.
_MIN_BACKOFF: Final = 1_000
_MAX_BACKOFF: Final = 30_000


class Retries(Middleware):
    """Tries again, buries or keeps; never loses."""

    @property
    def actor_options(self) -> set[str]:
        """The option an actor may set: how often a bug is tried again."""
        return {"max_retries"}

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,  # noqa: ANN401, ARG002 - Dramatiq's hook
        exception: BaseException | None = None,
    ) -> None:
        """Decide what becomes of a message whose actor raised."""
        if exception is None:
            return
        if isinstance(exception, Unavailable | Misconfigured):
            waits = message.options["waits"] = message.options.get("waits", 0) + 1
            self._again(broker, message, waits, exception)
        elif isinstance(exception, Refused | Poisoned):
            self._bury(broker, message, exception, reason=exception.code)
        else:
            retries = message.options["retries"] = message.options.get("retries", 0) + 1
            allowed = broker.get_actor(message.actor_name).options.get("max_retries", MAX_RETRIES)
            if retries > allowed:
                self._bury(broker, message, exception, reason="retries_exhausted")
            else:
                self._again(broker, message, retries, exception)

    def _again(
        self, broker: Broker, message: MessageProxy, times: int, exception: BaseException
    ) -> None:
        _, delay = compute_backoff(times - 1, factor=_MIN_BACKOFF, max_backoff=_MAX_BACKOFF)
        telemetry.log.warning(
            "message_again", actor=message.actor_name, in_ms=delay, error=_sentence(exception)
        )
        try:
            broker.enqueue(message._message, delay=delay)  # noqa: SLF001 - the proxy's own state must not travel
        except Exception as error:  # noqa: BLE001 - a door: whatever went wrong, the message must not be acked
            self._keep(message, error)

    def _bury(
        self, broker: Broker, message: MessageProxy, exception: BaseException, *, reason: str
    ) -> None:
        try:
            boot.run(
                services.dead_letters.bury_message(
                    boot.resources().database,
                    actor=message.actor_name,
                    arguments={"args": list(message.args), "kwargs": message.kwargs},
                    reason=reason,
                    error=_sentence(exception),
                    traceback="".join(traceback.format_exception(exception, limit=30)),
                )
            )
        except Unavailable as error:
            self._again(broker, message, 1, error)
        except Exception as error:  # noqa: BLE001 - a door: whatever went wrong, the message must not be acked
            self._keep(message, error)

    def _keep(self, message: MessageProxy, error: BaseException) -> None:
        """Let RabbitMQ move the message to its ``.XQ``, where nothing expires."""
        telemetry.log.error(
            "message_kept_by_rabbitmq", actor=message.actor_name, error=_sentence(error)
        )
        message.fail()


class Counting(Middleware):
    """Counts messages by actor and outcome."""

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002 - Dramatiq's hook
        message: MessageProxy,
        *,
        result: Any = None,  # noqa: ANN401, ARG002 - Dramatiq's hook
        exception: BaseException | None = None,
    ) -> None:
        """Count one processed message."""
        outcome = "done" if exception is None else "raised"
        telemetry.ACTOR_MESSAGES.labels(actor=message.actor_name, outcome=outcome).inc()


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"

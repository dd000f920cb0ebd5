"""Settings of a source document that can mean nothing here: who sets one is told so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from pydantic import create_model

from orderbus.settings.types import Section, setting

_QUEUES: Final = "each consumer has one queue, of its own name"
_DEAD: Final = "what cannot be done is a row in PostgreSQL, see `orderbus dead-letters list`"
_EVENTS: Final = "events go to PUBSUB_TOPIC_ORDER_CREATED, each under its type"
#: Why each means nothing, and the one value with which it says what is so anyway.
FOREIGN: Final[Mapping[str, tuple[str, str | None]]] = {
    "TASK_QUEUE_NAME": (_QUEUES, None),
    "TASK_QUEUE_MAX_PRIORITY": ("no message goes before another", None),
    "ORDER_CREATED_EXCHANGE": (_EVENTS, None),
    "ORDER_CREATED_ROUTING_KEY": (_EVENTS, "order.created"),
    "ORDER_PROCESSED_EXCHANGE": (_EVENTS, None),
    "ORDER_PROCESSED_ROUTING_KEY": (_EVENTS, "order.processed"),
    "OUTBOX_MAX_RETRIES": ("an event is tried until it is published, it is never given up", None),
    "DLX_NAME": (_DEAD, None),
    "DLQ_NAME": (_DEAD, None),
}
_FIELDS: Final[Any] = {name: (str | None, setting(None, name)) for name in FOREIGN}
_Given: Final = cast("type[Section]", create_model("_Given", __base__=Section, **_FIELDS))


def refusals(**where: Any) -> Iterator[str]:  # noqa: ANN401 - as BaseSettings takes it
    """Say of each that is set why it is refused; ``where`` may name the file, as ``_env_file``."""
    for name, given in _Given(**where).model_dump(exclude_none=True).items():
        why, holds = FOREIGN[name]
        if given != holds:
            but = f" but {holds}" if holds else ""
            yield f"{name}: can mean nothing here{but}: {why}. Unset it"

"""What workers do: webhooks that are sent, and consumers, the processor of orders among them."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr, field_validator

from orderbus.domain.events import check_pattern
from orderbus.domain.processing import BUILT_IN
from orderbus.domain.webhooks import check_secret, check_url
from orderbus.errors import Invalid
from orderbus.settings.types import Many, Networks, Section, Time, setting

_CLASS: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _held_to(check: Callable[[str], None]) -> AfterValidator:
    def held(value: str | SecretStr) -> str | SecretStr:
        try:
            check(value if isinstance(value, str) else value.get_secret_value())
        except Invalid as error:
            raise ValueError(str(error)) from None
        return value

    return AfterValidator(held)


class Webhooks(Section):
    """The built-in endpoint, and the limits of every exchange."""

    webhook_outgoing_url: Annotated[str, _held_to(check_url)] | None = setting(
        None, "WEBHOOK_OUTGOING_URL"
    )
    """An endpoint that exists from the start, told in the compact format. A change takes effect
    with ``orderbus migrate``; emptied, it is told nothing and what it is owed is held."""
    webhook_outgoing_secret: Annotated[SecretStr, _held_to(check_secret)] | None = setting(
        None, "WEBHOOK_OUTGOING_SECRET"
    )
    """``whsec_`` secret of that endpoint; made up and kept when unset. After a change and
    ``orderbus migrate`` the one before goes on signing for a day."""
    webhook_outgoing_events: Many[Annotated[str, _held_to(check_pattern)]] = setting(
        ("order.created",), "ORDERBUS_WEBHOOK_OUTGOING_EVENTS", min_length=1, max_length=20
    )
    """Types of events that endpoint is told of, comma-separated: order.created, order.*, *."""
    webhook_timeout: Time = setting(
        timedelta(seconds=15), "ORDERBUS_WEBHOOK_TIMEOUT", gt=timedelta(0)
    )
    """Longest whole exchange with an endpoint, from the DNS query to the last byte."""
    delivery_lease: Time = setting(timedelta(seconds=30), "ORDERBUS_DELIVERY_LEASE")
    """How long a claimed delivery stays with its worker: the webhook timeout and more than 5 s."""
    webhook_in_flight: int = setting(64, "ORDERBUS_WEBHOOK_IN_FLIGHT", ge=1, le=100)
    """Exchanges with one endpoint at the same time at most: it gets as many as it answers well."""
    webhook_allowed_networks: Networks = setting((), "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS")
    """Private networks (CIDR, comma-separated) that webhooks may reach all the same."""


class Work(Section):
    """Consumers, their retries, and the processor."""

    consumers: Many[str] = setting((), "ORDERBUS_CONSUMERS")
    """Modules with consumers of your own, comma-separated: shop.consumers."""

    max_retry_attempts: int = setting(3, "MAX_RETRY_ATTEMPTS", ge=0, le=1000)
    """How often a consumer that failed is tried again before its event is a dead letter."""
    retry_delay_base: Time = setting(
        timedelta(seconds=5), "RETRY_DELAY_BASE_SECONDS", gt=timedelta(0), le=timedelta(seconds=300)
    )
    """Pause before the first of these; each is twice as long as the one before, 300 s at most."""
    processor: str = setting("priced", "ORDERBUS_PROCESSOR")
    """What processes orders: priced, inventory, always, random, none, or your own class as
    module.path:Class."""
    processing_success_rate: float = setting(0.8, "PROCESSING_SUCCESS_RATE", ge=0, le=1)
    """Share of orders that the processor random lets succeed."""
    processing_seed: str | None = setting(None, "ORDERBUS_PROCESSING_SEED")
    """Makes random draw another series."""

    @field_validator("processor")
    @classmethod
    def _known_processor(cls, value: str) -> str:
        if value not in BUILT_IN and not _CLASS.fullmatch(value):
            names = ", ".join(BUILT_IN)
            message = f"is not {names} or a class such as shop.processing:Payment"
            raise ValueError(message)
        return value

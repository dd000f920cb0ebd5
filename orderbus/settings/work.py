"""What consumers do with events, the processor of orders among them."""

import re
from datetime import timedelta
from typing import Final

from pydantic import field_validator

from orderbus.domain.processing import BUILT_IN
from orderbus.settings.types import Many, Section, Time, setting

_CLASS: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


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
    """What processes orders: priced, random, none, or your own class as module.path:Class."""
    processing_success_rate: float = setting(0.8, "PROCESSING_SUCCESS_RATE", ge=0, le=1)
    """Share of orders that the processor random lets succeed."""
    processing_seed: str | None = setting(None, "ORDERBUS_PROCESSING_SEED")
    """Makes random draw another series."""

    @field_validator("processor")
    @classmethod
    def _known_processor(cls, value: str) -> str:
        if value not in BUILT_IN and not _CLASS.fullmatch(value):
            message = "is not priced, random, none or a class such as shop.processing:Payment"
            raise ValueError(message)
        return value

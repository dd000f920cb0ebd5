"""The settings as a whole: read, checked, and what follows from them."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from pydantic import ValidationError, model_validator

from orderbus.errors import Misconfigured
from orderbus.settings.agreement import BEYOND_EVENTS, contradictions
from orderbus.settings.fields import Fields


class Settings(Fields):
    """Every setting of orderbus, checked one by one and against one another."""

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        if sentences := contradictions(self):
            raise ValueError("\n".join(sentences))
        return self

    @property
    def keep_deliveries(self) -> timedelta:
        """How long a settled delivery is kept."""
        return self.delivery_retention or self.event_retention + BEYOND_EVENTS

    @property
    def keep_dead_letters(self) -> timedelta:
        """How long a resolved dead letter is kept."""
        return self.dead_letter_retention or self.event_retention + BEYOND_EVENTS

    def require_signatures(self) -> None:
        """Pass if the web server can tell who sends orders, or may take unsigned ones.

        Raises ``Misconfigured`` otherwise.
        """
        if not self.webhook_secrets and not self.is_open:
            message = (
                "WEBHOOK_SECRET is not set, so nobody could tell who sends an order. Set it, or "
                "set AUTH=open to take unsigned orders from this machine alone."
            )
            raise Misconfigured(message)


def load(**overrides: object) -> Settings:
    """Read the settings from the environment and ``.env``.

    Raises ``Misconfigured`` with one line per wrong setting; values are never shown.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        sentences: dict[str, str] = {}
        for fault in faults:
            name = _variable(str(fault["loc"][0])) if fault["loc"] else ""
            sentences.setdefault(name, fault["msg"].removeprefix("Value error, "))
        lines = [": ".join(filter(None, line)) for line in sentences.items()]
        raise Misconfigured("\n".join(lines)) from None


def _variable(field: str) -> str:
    """Name the variable that sets a field."""
    info = Settings.model_fields.get(field)
    return str(getattr(info and info.validation_alias, "choices", [field])[0])

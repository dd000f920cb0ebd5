"""The settings as a whole: read, checked one by one and against one another, and what follows.

Names that come from the source documents (``DB_HOST``, ``PUBSUB_PROJECT_ID`` ...) are kept as they
are; every other one begins with ``ORDERBUS_``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import ValidationError, model_validator

from orderbus.domain.addresses import is_loopback
from orderbus.domain.webhooks import can_sign
from orderbus.errors import Misconfigured
from orderbus.settings import foreign
from orderbus.settings.dependencies import QUEUES_IN_MEMORY, Postgres, Pubsub, Rabbitmq
from orderbus.settings.operations import Retention, Watching
from orderbus.settings.published import is_published
from orderbus.settings.web import Web
from orderbus.settings.work import Webhooks, Work

_HOST: Final = re.compile(r"[^\s/?#@\[\]]+|\[[0-9A-Fa-f:.]+\]")
#: An event is dropped with its whole day, up to a day after its time; what tells of it goes later.
BEYOND_EVENTS: Final = timedelta(days=2)


# Pydantic takes the fields of the last base first: this is .env.example from its end.
class Settings(Retention, Watching, Work, Webhooks, Pubsub, Rabbitmq, Postgres, Web):
    """Every setting of orderbus, checked one by one and against one another."""

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        rules = (*_rules(self), *_postgres_rules(self), *_retention_rules(self))
        if sentences := [sentence for is_wrong, sentence in rules if is_wrong]:
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
        """Raise ``Misconfigured`` where nobody could tell who sends orders, and somebody has to."""
        if not self.webhook_secrets and not self.is_open:
            raise Misconfigured(
                "WEBHOOK_SECRET is not set, so nobody could tell who sends an order. Set it, or "
                "set AUTH=open to take unsigned orders from this machine alone."
            )


def load(**overrides: object) -> Settings:
    """Read the settings from the environment and ``.env``.

    Raises ``Misconfigured`` with one line per wrong setting; values are never shown.
    """
    where = {name: value for name, value in overrides.items() if name == "_env_file"}
    unknown = list(foreign.refusals(**where))
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise Misconfigured("\n".join([*_lines(error), *unknown])) from None
    if unknown:
        raise Misconfigured("\n".join(unknown))
    return settings


def _lines(error: ValidationError) -> list[str]:
    sentences: dict[str, str] = {}
    for fault in error.errors(include_url=False, include_input=False, include_context=False):
        name = _variable(str(fault["loc"][0])) if fault["loc"] else ""
        sentences.setdefault(name, fault["msg"].removeprefix("Value error, "))
    return [": ".join(filter(None, line)) for line in sentences.items()]


def _variable(field: str) -> str:
    """Name the variable that sets a field."""
    info = Settings.model_fields.get(field)
    return str(getattr(info and info.validation_alias, "choices", [field])[0])


def _rules(settings: Settings) -> tuple[tuple[bool, str], ...]:
    """Say of each pair whether it cannot work together, and in a sentence why."""
    url = settings.rabbitmq_url.get_secret_value()
    return (
        (
            settings.relay_lease <= settings.publish_timeout,
            "ORDERBUS_RELAY_LEASE must be longer than ORDERBUS_PUBLISH_TIMEOUT: "
            "a batch would be given to a second worker while the first still publishes it",
        ),
        (
            settings.delivery_lease <= settings.webhook_timeout + timedelta(seconds=5),
            "ORDERBUS_DELIVERY_LEASE must exceed ORDERBUS_WEBHOOK_TIMEOUT by more than 5 s: "
            "an endpoint would be called twice at the same time",
        ),
        (
            _auth_differs(settings),
            "AUTH and ORDERBUS_OPEN_ON_LOOPBACK, its older name, contradict one another: "
            "set AUTH alone, in the environment and in .env",
        ),
        (
            settings.is_open and not is_loopback(settings.web_host),
            "AUTH=open (or ORDERBUS_OPEN_ON_LOOPBACK=true) needs a loopback address, and "
            "ORDERBUS_WEB_HOST is none: other machines could come in. Set AUTH=required and "
            "WEBHOOK_SECRET",
        ),
        (
            is_published(settings.secret_key) and not settings.debug,
            "SECRET_KEY is not set, or to a published one: give it 32 random bytes, for example "
            "the output of: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        ),
        (
            any(is_published(secret) for secret in settings.webhook_secrets) and not settings.debug,
            "WEBHOOK_SECRET holds a published secret, as .env.example does: anyone could sign; "
            "it is taken while DEBUG is true alone",
        ),
        (
            not all(can_sign(secret.get_secret_value()) for secret in settings.webhook_secrets),
            "WEBHOOK_SECRET holds a whsec_ secret that is not base64 of 24 to 64 bytes: "
            "anyone could sign with an empty one",
        ),
        (
            settings.access_token_lifetime >= settings.refresh_token_lifetime,
            "ACCESS_TOKEN_LIFETIME_IN_MINUTES must be shorter than REFRESH_TOKEN_LIFETIME_IN_DAYS: "
            "who is signed out would still be let in",
        ),
        (
            url != QUEUES_IN_MEMORY and not url.startswith(("amqp://", "amqps://")),
            "RABBITMQ_URL must begin with amqp:// or amqps://, or be memory://",
        ),
        (
            not _is_url(url),
            "RABBITMQ_URL is no URL: write amqp://user:password@host:port/vhost, an IPv6 host in "
            "brackets, a port from 0 to 65535, and what is special in a password as %XX",
        ),
    )


def _postgres_rules(settings: Settings) -> tuple[tuple[bool, str], ...]:
    return (
        *(
            (
                not (host.startswith("/") or _HOST.fullmatch(host)),
                f"{name} is no host: write a name, an address, or the folder of PostgreSQL's "
                "socket, which begins with /",
            )
            for name, host in (
                ("DB_HOST", settings.db_host),
                ("DB_REPLICA_HOST", settings.db_replica_host or settings.db_host),
            )
        ),
        (
            (settings.db_replica_host, settings.db_replica_port)
            == (settings.db_host, settings.db_port),
            "DB_REPLICA_HOST and DB_REPLICA_PORT name the PostgreSQL of DB_HOST and DB_PORT: "
            "name a replica of it, or none",
        ),
    )


def _retention_rules(settings: Settings) -> tuple[tuple[bool, str], ...]:
    return (
        (
            settings.event_retention < timedelta(days=7),
            "ORDERBUS_EVENT_RETENTION must be 7 days or more: "
            "a delivery is retried for more than three days and redriven after that",
        ),
        *(
            (
                kept is not None and kept < settings.event_retention + BEYOND_EVENTS,
                f"{name} must be at least two days longer than ORDERBUS_EVENT_RETENTION: "
                "an event would show as if nobody had been told of it",
            )
            for name, kept in (
                ("ORDERBUS_DELIVERY_RETENTION", settings.delivery_retention),
                ("ORDERBUS_DEAD_LETTER_RETENTION", settings.dead_letter_retention),
            )
        ),
        (
            settings.idempotency_retention < timedelta(hours=1),
            "ORDERBUS_IDEMPOTENCY_RETENTION must be an hour or more: "
            "a sender that tries again after an outage would have its request done twice",
        ),
    )


def _is_url(url: str) -> bool:
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:  # its text may hold the password
        return False
    return True


def _auth_differs(settings: Settings) -> bool:
    return (
        "auth" in settings.model_fields_set
        and settings.open_on_loopback is not None
        and settings.open_on_loopback != settings.is_open
    )

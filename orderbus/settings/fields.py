"""Which settings exist, and what each of them means.

Names that come from the source documents (``DB_HOST``, ``PUBSUB_PROJECT_ID`` ...) are kept as they
are; every other one begins with ``ORDERBUS_``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orderbus.domain.addresses import Network, in_url
from orderbus.domain.events import check_pattern
from orderbus.domain.processing import BUILT_IN
from orderbus.errors import Invalid
from orderbus.settings.published import INSECURE_SECRET_KEY

_CLASS: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
#: What is kept for longer is kept for ever; PostgreSQL would not reckon so far back.
_LONGEST: Final = timedelta(days=36_500)
_SECONDS: Final = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)")
_TIME: Final = TypeAdapter(timedelta)
_ORIGIN: Final = re.compile(r"https?://[^/\s@*?#]+")
_OWN_PORT: Final = re.compile(r"^(http(?=:.*:80$)|https(?=:.*:443$))(.*):[0-9]+$")
QUEUES_IN_MEMORY = "memory://"


def _named(name: str, *also: str) -> Any:  # noqa: ANN401 - pydantic takes any alias here
    return AliasChoices(name, *also)


def _network(value: object) -> object:
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError as error:
        message = f"{error}: write 10.0.0.0/8 or fd00::/8"
        raise ValueError(message) from None


class Fields(BaseSettings):
    """Each setting, what it means, and how it is written; checked one by one."""

    model_config = SettingsConfigDict(
        frozen=True, env_file=".env", extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    # -- who may call ------------------------------------------------------------------------
    secret_key: SecretStr = Field(
        SecretStr(INSECURE_SECRET_KEY), validation_alias=_named("SECRET_KEY")
    )
    """Keys the hashes of API keys. Must be set unless DEBUG is."""
    debug: bool = Field(False, validation_alias=_named("DEBUG"))
    """Logs for people instead of JSON lines, and the development SECRET_KEY is accepted."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("localhost", "127.0.0.1", "[::1]"), validation_alias=_named("ALLOWED_HOSTS")
    )
    """Host headers the web server answers to, comma-separated; ``*`` for any."""
    webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), validation_alias=_named("WEBHOOK_SECRET", "WEBHOOK_SECRETS")
    )
    """Secrets that sign incoming orders, comma-separated; any of them is accepted."""
    auth: Literal["open", "required"] = Field("required", validation_alias=_named("AUTH"))
    """required: orders are signed, everything else takes an API key. open: who comes from this
    machine, directly, needs neither; only while the web server is bound to loopback."""
    open_on_loopback: bool | None = Field(
        None, validation_alias=_named("ORDERBUS_OPEN_ON_LOOPBACK")
    )
    """Older name of AUTH: true is open, false is required. Where both are set, they agree."""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias=_named("ORDERBUS_ALLOWED_ORIGINS")
    )
    """Pages elsewhere that may change things without an API key while AUTH is open, as their
    origins, comma-separated: https://shop.example.com."""

    # -- the web server ----------------------------------------------------------------------
    web_host: str = Field("127.0.0.1", validation_alias=_named("ORDERBUS_WEB_HOST"))
    """Address the web server binds to."""
    web_port: int = Field(8000, ge=0, le=65535, validation_alias=_named("ORDERBUS_WEB_PORT"))
    """Port the web server binds to; 0 takes any free one."""
    max_body: int = Field(1_048_576, ge=1024, validation_alias=_named("ORDERBUS_MAX_BODY"))
    """Bytes an incoming request may hold."""

    # -- PostgreSQL --------------------------------------------------------------------------
    db_name: str = Field("orderdb", validation_alias=_named("DB_NAME", "POSTGRES_NAME"))
    """Name of the database."""
    db_user: str = Field("postgres", validation_alias=_named("DB_USER", "POSTGRES_USER"))
    """User that owns the schemas."""
    db_pass: SecretStr = Field(
        SecretStr("postgres"), validation_alias=_named("DB_PASS", "POSTGRES_PASSWORD")
    )
    """Password of that user."""
    db_host: str = Field("localhost", validation_alias=_named("DB_HOST", "POSTGRES_HOST"))
    """Host of PostgreSQL, or the folder of its socket."""
    db_port: int = Field(5432, ge=1, le=65535, validation_alias=_named("DB_PORT", "POSTGRES_PORT"))
    """Port of PostgreSQL."""
    db_pool_size: int = Field(10, ge=2, le=500, validation_alias=_named("ORDERBUS_DB_POOL_SIZE"))
    """Connections one process may hold."""

    # -- RabbitMQ ----------------------------------------------------------------------------
    rabbitmq_url: SecretStr = Field(
        SecretStr("amqp://guest:guest@localhost:5672/"), validation_alias=_named("RABBITMQ_URL")
    )
    """Where the work queues are (amqp:// or amqps://, with the virtual host as the path).

    ``memory://`` keeps them inside the one worker, with the bridge in it: for a machine without
    RabbitMQ. They are lost with it, and made again from what PostgreSQL has."""
    rabbit_host: str | None = Field(None, validation_alias=_named("RABBIT_HOST"))
    """Host of RabbitMQ, where RABBITMQ_URL is not set."""
    rabbit_port: int = Field(5672, ge=1, le=65535, validation_alias=_named("RABBIT_PORT"))
    """Port beside RABBIT_HOST."""
    rabbit_user: str = Field("guest", validation_alias=_named("RABBIT_USER"))
    """User beside RABBIT_HOST."""
    rabbit_pass: SecretStr = Field(SecretStr("guest"), validation_alias=_named("RABBIT_PASS"))
    """Password beside RABBIT_HOST."""
    rabbit_vhost: str = Field("/", validation_alias=_named("RABBIT_VHOST"))
    """Virtual host beside RABBIT_HOST."""

    # -- Google Pub/Sub ----------------------------------------------------------------------
    pubsub_emulator_host: str | None = Field(None, validation_alias=_named("PUBSUB_EMULATOR_HOST"))
    """``host:port`` of an emulator; unset for Google's own service."""
    pubsub_project_id: str = Field("demo-poc", validation_alias=_named("PUBSUB_PROJECT_ID"))
    """Google Cloud project that holds the topics."""
    pubsub_topic: str = Field(
        "order.created", validation_alias=_named("PUBSUB_TOPIC_ORDER_CREATED")
    )
    """Topic that carries every event of an order."""
    pubsub_subscription: str = Field(
        "order.created.local", validation_alias=_named("PUBSUB_SUBSCRIPTION_ORDER_CREATED")
    )
    """Subscription the bridge pulls from."""

    # -- the relay ---------------------------------------------------------------------------
    relay_batch: int = Field(
        200, ge=1, le=1000, validation_alias=_named("ORDERBUS_RELAY_BATCH", "OUTBOX_BATCH_SIZE")
    )
    """Events one publish_outbox message leases and publishes together."""
    poll_interval: timedelta = Field(
        timedelta(seconds=1),
        gt=timedelta(0),
        le=timedelta(seconds=60),
        validation_alias=_named("ORDERBUS_POLL_INTERVAL", "OUTBOX_POLL_INTERVAL"),
    )
    """How often a worker looks by itself for what is due; a notification is heard at once."""
    publish_timeout: timedelta = Field(
        timedelta(seconds=2),
        gt=timedelta(0),
        validation_alias=_named("ORDERBUS_PUBLISH_TIMEOUT"),
    )
    """Longest wait for Pub/Sub to take a batch."""
    relay_lease: timedelta = Field(
        timedelta(seconds=5), validation_alias=_named("ORDERBUS_RELAY_LEASE")
    )
    """How long a leased batch stays with its worker; longer than the publish timeout."""
    bridge_batch: int = Field(200, ge=1, le=1000, validation_alias=_named("ORDERBUS_BRIDGE_BATCH"))
    """Messages the bridge records in one transaction at most."""

    # -- webhooks ----------------------------------------------------------------------------
    webhook_outgoing_url: str | None = Field(None, validation_alias=_named("WEBHOOK_OUTGOING_URL"))
    """An endpoint that exists from the start, told in the compact format."""
    webhook_outgoing_secret: SecretStr | None = Field(
        None, validation_alias=_named("WEBHOOK_OUTGOING_SECRET")
    )
    """``whsec_`` secret of that endpoint; made up and kept when unset."""
    webhook_outgoing_events: Annotated[tuple[str, ...], NoDecode] = Field(
        ("order.created",),
        min_length=1,
        max_length=20,
        validation_alias=_named("ORDERBUS_WEBHOOK_OUTGOING_EVENTS"),
    )
    """Types of events that endpoint is told of, comma-separated: order.created, order.*, *."""
    webhook_timeout: timedelta = Field(
        timedelta(seconds=15),
        gt=timedelta(0),
        validation_alias=_named("ORDERBUS_WEBHOOK_TIMEOUT"),
    )
    """Longest whole exchange with an endpoint, from the DNS query to the last byte."""
    delivery_lease: timedelta = Field(
        timedelta(seconds=30), validation_alias=_named("ORDERBUS_DELIVERY_LEASE")
    )
    """How long a claimed delivery stays with its worker; longer than the webhook timeout."""
    webhook_in_flight: int = Field(
        4, ge=1, le=1000, validation_alias=_named("ORDERBUS_WEBHOOK_IN_FLIGHT")
    )
    """Exchanges with one endpoint at the same time, over all workers."""
    webhook_allowed_networks: Annotated[
        tuple[Annotated[Network, BeforeValidator(_network)], ...], NoDecode
    ] = Field((), validation_alias=_named("ORDERBUS_WEBHOOK_ALLOWED_NETWORKS"))
    """Private networks (CIDR, comma-separated) that webhooks may reach all the same."""

    # -- consumers ---------------------------------------------------------------------------
    consumers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), validation_alias=_named("ORDERBUS_CONSUMERS")
    )
    """Modules with consumers of your own, comma-separated: shop.consumers."""

    max_retry_attempts: int = Field(3, ge=0, le=1000, validation_alias=_named("MAX_RETRY_ATTEMPTS"))
    """How often a consumer that failed is tried again before its event is a dead letter."""
    retry_delay_base: timedelta = Field(
        timedelta(seconds=5),
        gt=timedelta(0),
        le=timedelta(seconds=300),
        validation_alias=_named("RETRY_DELAY_BASE_SECONDS"),
    )
    """Pause before the first of these; each is twice as long as the one before, 300 s at most."""

    # -- processing --------------------------------------------------------------------------
    processor: str = Field("priced", validation_alias=_named("ORDERBUS_PROCESSOR"))
    """What processes orders: priced, random, none, or your own class as module.path:Class."""
    processing_success_rate: float = Field(
        0.8, ge=0, le=1, validation_alias=_named("PROCESSING_SUCCESS_RATE")
    )
    """Share of orders that the processor random lets succeed."""
    processing_seed: str | None = Field(None, validation_alias=_named("ORDERBUS_PROCESSING_SEED"))
    """Makes random draw another series."""

    # -- watching ----------------------------------------------------------------------------
    log_level: str = Field("INFO", validation_alias=_named("LOG_LEVEL"))
    """DEBUG, INFO, WARNING or ERROR."""
    metrics_host: str = Field("127.0.0.1", validation_alias=_named("ORDERBUS_METRICS_HOST"))
    """Address on which worker and bridge show metrics and health."""
    worker_metrics_port: int = Field(
        9191, ge=0, le=65535, validation_alias=_named("ORDERBUS_WORKER_METRICS_PORT")
    )
    """Port of the worker's metrics and health, all its processes together; 0 for none."""
    bridge_metrics_port: int = Field(
        9192, ge=0, le=65535, validation_alias=_named("ORDERBUS_BRIDGE_METRICS_PORT")
    )
    """Port of the bridge's metrics and health; 0 for none."""
    stop_grace: timedelta = Field(
        timedelta(seconds=20),
        ge=timedelta(0),
        le=timedelta(seconds=600),
        validation_alias=_named("ORDERBUS_STOP_GRACE"),
    )
    """How long a worker that is told to stop goes on with what is under way; then it hands the
    rest back, uncharged. Ten seconds less than what it has until it is killed."""
    event_retention: timedelta = Field(
        timedelta(days=35), le=_LONGEST, validation_alias=_named("ORDERBUS_EVENT_RETENTION")
    )
    """How long events and the inbox are kept; longer than a delivery may be retried."""
    delivery_retention: timedelta | None = Field(
        None, le=_LONGEST, validation_alias=_named("ORDERBUS_DELIVERY_RETENTION")
    )
    """How long what was delivered or skipped is kept, with its attempts, from then on.

    Two days longer than the events, or more; unset, two days longer."""
    dead_letter_retention: timedelta | None = Field(
        None, le=_LONGEST, validation_alias=_named("ORDERBUS_DEAD_LETTER_RETENTION")
    )
    """How long a dead letter is kept from its redrive or discard on; an open one is never deleted.

    Two days longer than the events, or more; unset, two days longer."""
    idempotency_retention: timedelta = Field(
        timedelta(days=2), le=_LONGEST, validation_alias=_named("ORDERBUS_IDEMPOTENCY_RETENTION")
    )
    """How long an Idempotency-Key stands for the answer given under it; an hour or more."""

    @model_validator(mode="before")
    @classmethod
    def _rabbitmq_by_its_parts(cls, data: dict[str, Any]) -> dict[str, Any]:
        if data.get("RABBIT_HOST") is None or "RABBITMQ_URL" in data or "rabbitmq_url" in data:
            return data
        user, password, vhost = (
            quote(str(data.get(f"RABBIT_{name}", default)), safe="")
            for name, default in (("USER", "guest"), ("PASS", "guest"), ("VHOST", "/"))
        )
        place = f"{in_url(str(data['RABBIT_HOST']))}:{data.get('RABBIT_PORT', 5672)}"
        return {**data, "RABBITMQ_URL": f"amqp://{user}:{password}@{place}/{vhost}"}

    @field_validator(
        "allowed_hosts",
        "allowed_origins",
        "webhook_secrets",
        "webhook_allowed_networks",
        "webhook_outgoing_events",
        "consumers",
        mode="before",
    )
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        "poll_interval",
        "retry_delay_base",
        "publish_timeout",
        "relay_lease",
        "webhook_timeout",
        "delivery_lease",
        "event_retention",
        "delivery_retention",
        "dead_letter_retention",
        "idempotency_retention",
        "stop_grace",
        mode="before",
    )
    @classmethod
    def _plain_numbers_are_seconds(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            if _SECONDS.fullmatch(value):
                return timedelta(seconds=float(value))
            return _TIME.validate_python(value)
        except (OverflowError, ValidationError):
            message = "is no time: write seconds (90), days (35d) or ISO 8601 (PT90S)"
            raise ValueError(message) from None

    @field_validator("allowed_hosts")
    @classmethod
    def _small_letters(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host.lower() for host in value)

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        origins = tuple(origin.rstrip("/").lower() for origin in value)
        if not all(_ORIGIN.fullmatch(origin) for origin in origins):
            message = "holds what is no origin: write https://shop.example, or with its port :8443"
            raise ValueError(message)
        # Browsers leave out the port that a scheme has by itself.
        return tuple(_OWN_PORT.sub(r"\1\2", origin) for origin in origins)

    @field_validator("webhook_outgoing_events")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                check_pattern(pattern)
            except Invalid as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("processor")
    @classmethod
    def _known_processor(cls, value: str) -> str:
        if value not in BUILT_IN and not _CLASS.fullmatch(value):
            message = "is not priced, random, none or a class such as shop.processing:Payment"
            raise ValueError(message)
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            message = "is not one of DEBUG, INFO, WARNING, ERROR"
            raise ValueError(message)
        return value.upper()

    @property
    def is_open(self) -> bool:
        """Whether who comes from this machine, directly, needs no signature and no API key."""
        if "auth" in self.model_fields_set:
            return self.auth == "open"
        return bool(self.open_on_loopback)

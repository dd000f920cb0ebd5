"""Where PostgreSQL, RabbitMQ and Pub/Sub are, and how much goes there and back at once."""

from datetime import timedelta
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from pydantic import SecretStr, model_validator

from orderbus.domain.addresses import in_url
from orderbus.settings.types import Section, Time, setting

#: The RABBITMQ_URL of a worker that keeps the queues itself.
QUEUES_IN_MEMORY: Final = "memory://"


class Postgres(Section):
    """Place, login and pool."""

    db_name: str = setting("orderdb", "DB_NAME", "POSTGRES_NAME")
    """Name of the database."""
    db_user: str = setting("postgres", "DB_USER", "POSTGRES_USER")
    """User of the running system; without DB_OWNER_USER it owns the schemas, too."""
    db_pass: SecretStr = setting(SecretStr("postgres"), "DB_PASS", "POSTGRES_PASSWORD")
    """Password of that user."""
    db_owner_user: str | None = setting(None, "DB_OWNER_USER")
    """User that owns the schemas, as which `orderbus migrate` alone acts: it grants DB_USER what a
    running system needs. Unset, DB_USER is the owner."""
    db_owner_password: SecretStr | None = setting(None, "DB_OWNER_PASSWORD")
    """Password of DB_OWNER_USER."""
    db_host: str = setting("localhost", "DB_HOST", "POSTGRES_HOST")
    """Host of PostgreSQL, or the folder of its socket."""
    db_port: int = setting(5432, "DB_PORT", "POSTGRES_PORT", ge=1, le=65535)
    """Port of PostgreSQL."""
    db_pool_size: int = setting(10, "ORDERBUS_DB_POOL_SIZE", ge=2, le=500)
    """Connections one process may hold."""
    db_replica_host: str | None = setting(None, "DB_REPLICA_HOST")
    """Host of a streaming replica that answers reads over HTTP, or the folder of its socket. Unset,
    the one PostgreSQL answers all."""
    db_replica_port: int = setting(5432, "DB_REPLICA_PORT", ge=1, le=65535)
    """Port of the replica."""
    replica_max_lag: Time = setting(
        timedelta(seconds=2), "ORDERBUS_REPLICA_MAX_LAG", gt=timedelta(0), le=timedelta(hours=1)
    )
    """How far the replica may be behind and still answer those who do not say what they saw."""

    @cached_property
    def database_url(self) -> str:
        """Where PostgreSQL is, with the password in it: never log it."""
        return self._url(self.db_host, self.db_port, self.db_user, self.db_pass)

    @property
    def has_two_roles(self) -> bool:
        """Whether the running system is another role than the owner."""
        return self.db_owner_user not in {None, self.db_user}

    @property
    def owner_url(self) -> str:
        """Where PostgreSQL is for its owner, as ``database_url`` says it."""
        if self.db_owner_user is None:
            return self.database_url
        password = self.db_owner_password or SecretStr("")
        return self._url(self.db_host, self.db_port, self.db_owner_user, password)

    @property
    def replica_url(self) -> str | None:
        """Where the replica is, as ``database_url`` says it; None where there is none."""
        if not self.db_replica_host:
            return None
        return self._url(self.db_replica_host, self.db_replica_port, self.db_user, self.db_pass)

    def _url(self, host: str, port: int, user: str, secret: SecretStr) -> str:
        password = secret.get_secret_value()
        if host.startswith("/"):
            place = f"@/{quote(self.db_name)}?host={quote(host)}&port={port}"
        else:
            place = f"@{in_url(host)}:{port}/{quote(self.db_name)}"
        return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}{place}"


class Rabbitmq(Section):
    """Its URL, or the members of it."""

    rabbitmq_url: SecretStr = setting(
        SecretStr("amqp://guest:guest@localhost:5672/"), "RABBITMQ_URL"
    )
    """Where the work queues are (amqp:// or amqps://, with the virtual host as the path).

    ``memory://`` keeps them inside the one worker, with the bridge in it: for a machine without
    RabbitMQ. They are lost with it; what they wake up for is in PostgreSQL."""
    rabbit_host: str | None = setting(None, "RABBIT_HOST")
    """Host of RabbitMQ, where RABBITMQ_URL is not set."""
    rabbit_port: int = setting(5672, "RABBIT_PORT", ge=1, le=65535)
    """Port beside RABBIT_HOST."""
    rabbit_user: str = setting("guest", "RABBIT_USER")
    """User beside RABBIT_HOST."""
    rabbit_pass: SecretStr = setting(SecretStr("guest"), "RABBIT_PASS")
    """Password beside RABBIT_HOST."""
    rabbit_vhost: str = setting("/", "RABBIT_VHOST")
    """Virtual host beside RABBIT_HOST."""

    @model_validator(mode="before")
    @classmethod
    def _rabbitmq_by_its_names(cls, data: dict[str, Any]) -> dict[str, Any]:
        if data.get("RABBIT_HOST") is None or "RABBITMQ_URL" in data or "rabbitmq_url" in data:
            return data
        user, password, vhost = (
            quote(str(data.get(f"RABBIT_{name}", default)), safe="")
            for name, default in (("USER", "guest"), ("PASS", "guest"), ("VHOST", "/"))
        )
        place = f"{in_url(str(data['RABBIT_HOST']))}:{data.get('RABBIT_PORT', 5672)}"
        return {**data, "RABBITMQ_URL": f"amqp://{user}:{password}@{place}/{vhost}"}

    @property
    def queues_in_memory(self) -> bool:
        """Whether the worker keeps the queues itself."""
        return self.rabbitmq_url.get_secret_value() == QUEUES_IN_MEMORY


class Pubsub(Section):
    """Topic, subscription, and the batches of relay and bridge."""

    pubsub_emulator_host: str | None = setting(None, "PUBSUB_EMULATOR_HOST")
    """``host:port`` of an emulator; unset for Google's own service."""
    pubsub_project_id: str = setting("demo-poc", "PUBSUB_PROJECT_ID")
    """Google Cloud project that holds the topics."""
    pubsub_topic: str = setting("order.created", "PUBSUB_TOPIC_ORDER_CREATED")
    """Topic that carries every event of an order."""
    pubsub_subscription: str = setting("order.created.local", "PUBSUB_SUBSCRIPTION_ORDER_CREATED")
    """Subscription the bridge pulls from."""
    relay_batch: int = setting(200, "ORDERBUS_RELAY_BATCH", "OUTBOX_BATCH_SIZE", ge=1, le=1000)
    """Events that are leased and published together."""
    poll_interval: Time = setting(
        timedelta(seconds=1),
        "ORDERBUS_POLL_INTERVAL",
        "OUTBOX_POLL_INTERVAL",
        gt=timedelta(0),
        le=timedelta(seconds=60),
    )
    """How often a worker looks by itself for what is due; a notification is heard at once."""
    publish_timeout: Time = setting(
        timedelta(seconds=2), "ORDERBUS_PUBLISH_TIMEOUT", gt=timedelta(0)
    )
    """Longest wait for Pub/Sub to take a batch."""
    relay_lease: Time = setting(timedelta(seconds=5), "ORDERBUS_RELAY_LEASE")
    """How long a leased batch stays with its worker; longer than the publish timeout."""
    bridge_batch: int = setting(200, "ORDERBUS_BRIDGE_BATCH", ge=1, le=1000)
    """Messages the bridge records in one transaction at most."""

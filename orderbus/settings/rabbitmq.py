"""Where RabbitMQ is."""

from typing import Any, Final
from urllib.parse import quote

from pydantic import SecretStr, model_validator

from orderbus.domain.addresses import in_url
from orderbus.settings.types import Section, setting

#: The RABBITMQ_URL of a worker that keeps the queues itself.
QUEUES_IN_MEMORY: Final = "memory://"


class Rabbitmq(Section):
    """Its URL, or the members of it."""

    rabbitmq_url: SecretStr = setting(
        SecretStr("amqp://guest:guest@localhost:5672/"), "RABBITMQ_URL"
    )
    """Where the work queues are (amqp:// or amqps://, with the virtual host as the path).

    ``memory://`` keeps them inside the one worker, with the bridge in it: for a machine without
    RabbitMQ. They are lost with it, and made again from what PostgreSQL has."""
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

"""Settings are checked one by one and against one another, and secrets stay secret."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from orderbus.errors import Misconfigured
from orderbus.settings import load

GOOD: dict[str, Any] = {"_env_file": None, "secret_key": "a key for tests"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"relay_lease": "2", "publish_timeout": "2"}, "ORDERBUS_RELAY_LEASE"),
        ({"delivery_lease": "15", "webhook_timeout": "15"}, "ORDERBUS_DELIVERY_LEASE"),
        ({"open_on_loopback": True, "web_host": "0.0.0.0"}, "loopback"),  # noqa: S104
        ({"event_retention": timedelta(days=1)}, "ORDERBUS_EVENT_RETENTION"),
        ({"log_level": "LOUD"}, "LOG_LEVEL"),
        ({"db_port": "many"}, "DB_PORT"),
        ({"webhook_allowed_networks": "10.0.0.0/99"}, "ALLOWED_NETWORKS"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_words(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        load(**{**GOOD, **changes})


def test_without_a_secret_key_nothing_starts_outside_development() -> None:
    with pytest.raises(Misconfigured, match="SECRET_KEY"):
        load(_env_file=None)


def test_without_a_webhook_secret_the_door_does_not_open() -> None:
    with pytest.raises(Misconfigured, match="WEBHOOK_SECRET"):
        load(**GOOD).require_signatures()


def test_lists_are_separated_by_commas() -> None:
    settings = load(**GOOD, webhook_secrets="a, b,", allowed_hosts="x.example,y.example")

    assert [secret.get_secret_value() for secret in settings.webhook_secrets] == ["a", "b"]
    assert settings.allowed_hosts == ("x.example", "y.example")


def test_no_secret_is_shown_where_settings_are_printed() -> None:
    settings = load(**GOOD, db_pass="hush", webhook_secrets="hush", rabbitmq_url="amqp://u:hush@h/")

    assert "hush" not in f"{settings!r} {settings}"


def test_a_refusal_shows_no_value() -> None:
    with pytest.raises(Misconfigured) as refusal:
        load(**GOOD, db_port="hush")

    assert "hush" not in str(refusal.value)

"""Settings that contradict one another are refused in words that name both."""

from __future__ import annotations

from typing import Any

import pytest

from orderbus.settings import INSECURE_SECRET_KEY
from tests.support.settings_given import forget_environment, refusal, settings


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)


CONTRADICTIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a signing secret without a key": (
        {"webhook_secrets": "fine,whsec_"},
        ("WEBHOOK_SECRET", "whsec_", "anyone could sign"),
    ),
    "half an IPv6 address": ({"db_host": "[::1"}, ("DB_HOST", "no host")),
    "a URL in the place of a host": ({"db_host": "postgresql://db/x"}, ("DB_HOST", "no host")),
    "a URL that ends in its host": (
        {"rabbitmq_url": "amqp://user:hush@[::1"},
        ("RABBITMQ_URL", "brackets"),
    ),
    "a URL with a port that is none": (
        {"rabbitmq_url": "amqp://user:hush@rabbit:99999/"},
        ("RABBITMQ_URL", "65535"),
    ),
    "a lease as long as publishing may take": (
        {"relay_lease": "2", "publish_timeout": "2"},
        ("ORDERBUS_RELAY_LEASE", "ORDERBUS_PUBLISH_TIMEOUT", "second worker"),
    ),
    "a lease that ends while the endpoint may still answer": (
        {"delivery_lease": "20", "webhook_timeout": "15"},
        ("ORDERBUS_DELIVERY_LEASE", "ORDERBUS_WEBHOOK_TIMEOUT", "twice"),
    ),
    "open to every machine": (
        {"auth": "open", "web_host": "0.0.0.0"},  # noqa: S104 - it is refused
        ("AUTH=open", "ORDERBUS_WEB_HOST", "WEBHOOK_SECRET"),
    ),
    "open to every machine under the older name": (
        {"open_on_loopback": True, "web_host": "0.0.0.0"},  # noqa: S104 - it is refused
        ("ORDERBUS_OPEN_ON_LOOPBACK", "ORDERBUS_WEB_HOST"),
    ),
    "open to every machine while developing": (
        {"auth": "open", "debug": True, "web_host": "0.0.0.0"},  # noqa: S104 - it is refused
        ("AUTH=open", "ORDERBUS_WEB_HOST"),
    ),
    "open under one name and not under the other": (
        {"auth": "open", "open_on_loopback": False},
        ("AUTH", "ORDERBUS_OPEN_ON_LOOPBACK", "contradict"),
    ),
    "required under one name and open under the other": (
        {"auth": "required", "open_on_loopback": True},
        ("AUTH", "ORDERBUS_OPEN_ON_LOOPBACK", "contradict"),
    ),
    "open to every machine over IPv6": (
        {"auth": "open", "web_host": "::"},
        ("AUTH=open", "ORDERBUS_WEB_HOST"),
    ),
    "the key that everybody knows": (
        {"secret_key": INSECURE_SECRET_KEY},
        ("SECRET_KEY is not set", "32 random bytes"),
    ),
    "events forgotten while they are still delivered": (
        {"event_retention": "3 days, 0:00:00"},
        ("ORDERBUS_EVENT_RETENTION", "7 days"),
    ),
    "deliveries forgotten before their events": (
        {"delivery_retention": "P36D"},
        ("ORDERBUS_DELIVERY_RETENTION", "ORDERBUS_EVENT_RETENTION", "two days"),
    ),
    "dead letters forgotten before their events": (
        {"event_retention": "P90D", "dead_letter_retention": "P91D"},
        ("ORDERBUS_DEAD_LETTER_RETENTION", "ORDERBUS_EVENT_RETENTION"),
    ),
    "an answer forgotten before a sender asks again": (
        {"idempotency_retention": "600"},
        ("ORDERBUS_IDEMPOTENCY_RETENTION", "an hour"),
    ),
}


@pytest.mark.parametrize(("changes", "words"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_is_refused_in_words(
    changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    message = refusal(**changes)

    assert [word for word in words if word not in message] == []
    assert "Value error" not in message
    assert "hush" not in message


@pytest.mark.parametrize(
    "changes",
    [
        {"relay_lease": "2.1", "publish_timeout": "2"},
        {"delivery_lease": "20.1", "webhook_timeout": "15"},
        {"auth": "open", "web_host": "::1"},
        {"auth": "open", "open_on_loopback": True},
        {"auth": "required", "open_on_loopback": False, "web_host": "0.0.0.0"},  # noqa: S104
        {"secret_key": INSECURE_SECRET_KEY, "debug": True},
        {"event_retention": "P7D"},
        {"event_retention": "P365D"},
        {"event_retention": "P7D", "delivery_retention": "P9D", "dead_letter_retention": "P9D"},
        {"idempotency_retention": "3600"},
    ],
    ids=str,
)
def test_what_only_comes_close_to_a_contradiction_is_taken(changes: dict[str, Any]) -> None:
    settings(**changes)


def test_each_contradiction_has_its_line() -> None:
    lines = refusal(relay_lease="1", idempotency_retention="1", secret_key="").splitlines()

    names = ("ORDERBUS_RELAY_LEASE", "ORDERBUS_IDEMPOTENCY_RETENTION")
    assert [name for name in names if not any(line.startswith(name) for line in lines)] == []

"""Settings of the order and processor services are taken, or refused by name: none in silence."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from orderbus.errors import Misconfigured
from orderbus.settings import Settings, load
from orderbus.settings.foreign import FOREIGN
from tests.support.settings_given import forget_environment, refusal, settings

RUNNING = Path(__file__).parents[2] / "docs" / "running.md"
#: What the example files of both services set: under these names it means the same here.
TAKEN = {
    "DB_HOST": "postgres-orders",
    "DB_PORT": "5433",
    "DB_NAME": "orders_db",
    "DB_USER": "orders_user",
    "DB_PASS": "orders_password",
    "RABBIT_HOST": "rabbitmq",
    "RABBIT_PORT": "5673",
    "RABBIT_USER": "rabbitmq_user",
    "RABBIT_PASS": "rabbitmq_password",
    "RABBIT_VHOST": "/shop",
    "OUTBOX_BATCH_SIZE": "100",
    "OUTBOX_POLL_INTERVAL": "5.0",
    "MAX_RETRY_ATTEMPTS": "4",
    "RETRY_DELAY_BASE_SECONDS": "6",
    "PROCESSING_SUCCESS_RATE": "0.7",
    "LOG_LEVEL": "WARNING",
    "ORDER_CREATED_ROUTING_KEY": "order.created",
    "ORDER_PROCESSED_ROUTING_KEY": "order.processed",
}


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)


def means_the_same(found: Settings) -> bool:
    url = "amqp://rabbitmq_user:rabbitmq_password@rabbitmq:5673/%2Fshop"
    return (
        found.database_url
        == "postgresql://orders_user:orders_password@postgres-orders:5433/orders_db"
        and found.rabbitmq_url.get_secret_value() == url
        and (found.relay_batch, found.poll_interval) == (100, timedelta(seconds=5))
        and (found.max_retry_attempts, found.retry_delay_base) == (4, timedelta(seconds=6))
        and (found.processing_success_rate, found.log_level) == (0.7, "WARNING")
    )


def test_what_means_the_same_here_is_taken_under_its_old_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in TAKEN.items():
        monkeypatch.setenv(name, value)

    assert means_the_same(settings())


def test_what_means_the_same_here_is_taken_from_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in TAKEN.items()))

    assert means_the_same(load(_env_file=file, secret_key="a key for tests"))


@pytest.mark.parametrize("name", FOREIGN)
def test_what_can_mean_nothing_here_is_refused_by_its_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "a-value-of-theirs")

    (line,) = refusal().splitlines()

    assert line.startswith(f"{name}: can mean nothing here")
    assert line.endswith("Unset it")
    assert "a-value-of-theirs" not in line


def test_all_of_an_old_file_that_means_nothing_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "TASK_QUEUE_NAME=orders_queue\nTASK_QUEUE_MAX_PRIORITY=10\nORDER_CREATED_EXCHANGE=orders\n"
        "ORDER_PROCESSED_EXCHANGE=orders\nOUTBOX_MAX_RETRIES=3\nDLX_NAME=dlx\n"
        "DLQ_NAME=orders_order_processed_dlq\nDB_PORT=many\n"
    )

    with pytest.raises(Misconfigured) as refused:
        load(_env_file=file, secret_key="a key for tests")

    named = [line.partition(":")[0] for line in str(refused.value).splitlines()]
    without_routing_keys = [name for name in FOREIGN if not name.endswith("_ROUTING_KEY")]
    assert named == ["DB_PORT", *without_routing_keys]


def test_one_that_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLQ_NAME", "")

    assert settings().relay_batch == 200


def test_the_page_about_running_has_each_of_them() -> None:
    page = RUNNING.read_text()

    assert [name for name in (*TAKEN, *FOREIGN) if f"`{name}`" not in page] == []

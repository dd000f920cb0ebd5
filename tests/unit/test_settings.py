"""Settings are checked one by one and against one another, and secrets stay secret."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from orderbus.domain.addresses import is_loopback
from orderbus.errors import Misconfigured
from orderbus.settings import load
from tests.support.settings_given import forget_environment, refusal, settings

SECRETS = {
    "secret_key": "secret-of-the-keys",
    "webhook_secrets": "secret-of-one-sender,secret-of-another",
    "db_pass": "secret-of-the-database",
    "rabbitmq_url": "amqp://user:secret-of-the-queues@rabbit:5672/",
    "webhook_outgoing_secret": "whsec_secret+of+the+endpoint++++++++++",
}
SECRET_WORDS = (
    "secret-of-the-keys",
    "secret-of-one-sender",
    "secret-of-another",
    "secret-of-the-database",
    "secret-of-the-queues",
    "secret+of+the+endpoint",
)


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)


WRONG: dict[str, Any] = {
    "ORDERBUS_WEB_PORT": "65536",
    "DB_PORT": "many",
    "ORDERBUS_DB_POOL_SIZE": "1",
    "ORDERBUS_RELAY_BATCH": "0",
    "ORDERBUS_WEBHOOK_IN_FLIGHT": "-1",
    "ORDERBUS_PUBLISH_TIMEOUT": "soon",
    "ORDERBUS_WEBHOOK_TIMEOUT": "0",
    "ORDERBUS_POLL_INTERVAL": "-1",
    "ORDERBUS_RELAY_LEASE": "9" * 400,
    "ORDERBUS_DELIVERY_LEASE": "²",
    "ORDERBUS_DELIVERY_RETENTION": "P40000D",
    "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS": "10.0.0.0/8,everything",
    "LOG_LEVEL": "LOUD",
    "AUTH": "sometimes",
    "ORDERBUS_ALLOWED_ORIGINS": "*",
    "DEBUG": "perhaps",
}


@pytest.mark.parametrize(("name", "value"), WRONG.items(), ids=WRONG)
def test_a_wrong_value_is_refused_by_the_name_it_was_given_under(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    assert name in refusal()


def test_each_wrong_setting_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WRONG.items():
        monkeypatch.setenv(name, value)

    lines = refusal().splitlines()

    assert [name for name in WRONG if not any(line.startswith(name) for line in lines)] == []


@pytest.mark.parametrize("written", ["soon", "9" * 400, "²", "1e9", "nan", "P", "--1"])
def test_what_is_no_time_is_told_how_one_is_written(written: str) -> None:
    assert "ORDERBUS_RELAY_LEASE: is no time: write seconds (90)" in refusal(relay_lease=written)


@pytest.mark.parametrize("network", ["fd00::/129", "10.0.0.5/8", "everything"])
def test_what_is_no_network_is_named(network: str) -> None:
    message = refusal(webhook_allowed_networks=f"10.0.0.0/8,{network}")

    assert network in message
    assert "fd00::/8" in message


def test_an_ipv6_address_is_a_host_like_any_other() -> None:
    loaded = settings(db_host="::1", RABBIT_HOST="::1")

    assert "@[::1]:5432/" in loaded.database_url
    assert "@[::1]:5672/" in loaded.rabbitmq_url.get_secret_value()


def test_an_origin_is_kept_as_browsers_write_it() -> None:
    written = "HTTPS://Shop.example:443/, http://shop.example:80, http://a:443, https://[::1]:443"

    assert settings(allowed_origins=written).allowed_origins == (
        *("https://shop.example", "http://shop.example", "http://a:443", "https://[::1]"),
    )


def test_host_names_are_the_same_in_capitals() -> None:
    assert settings(allowed_hosts="Shop.Example").allowed_hosts == ("shop.example",)


def test_secrets_are_never_in_what_is_printed() -> None:
    loaded = settings(**SECRETS)

    for shown in (repr(loaded), str(loaded), loaded.model_dump_json(exclude={"database_url"})):
        assert [word for word in SECRET_WORDS if word in shown] == []


@pytest.mark.parametrize(
    "change",
    [
        {"web_port": "none"},
        {"relay_lease": "1"},
        {"secret_key": 17},
        {"db_pass": ["secret-of-the-database"]},
        {"rabbitmq_url": {"url": "secret-of-the-queues"}},
        {"webhook_secrets": [["secret-of-one-sender"]]},
    ],
    ids=str,
)
def test_secrets_are_never_in_a_refusal(change: dict[str, Any]) -> None:
    message = refusal(**{**SECRETS, **change})

    assert [word for word in SECRET_WORDS if word in message] == []


def test_commas_part_lists_and_spaces_around_them_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "shop.example, www.shop.example ,,")
    monkeypatch.setenv("WEBHOOK_SECRETS", "first, second")
    monkeypatch.setenv("ORDERBUS_WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8,fd00::/8")

    loaded = settings()

    assert loaded.allowed_hosts == ("shop.example", "www.shop.example")
    assert [secret.get_secret_value() for secret in loaded.webhook_secrets] == ["first", "second"]
    assert loaded.webhook_allowed_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize("name", ["WEBHOOK_SECRET", "WEBHOOK_SECRETS"])
def test_both_names_of_the_senders_secrets_are_read(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "only")

    assert [secret.get_secret_value() for secret in settings().webhook_secrets] == ["only"]


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", "")
    monkeypatch.setenv("DB_PORT", "")

    loaded = settings()

    assert (loaded.webhook_secrets, loaded.db_port) == ((), 5432)


@pytest.mark.parametrize(
    ("written", "seconds"), [("3", 3), ("0.5", 0.5), ("PT4S", 4), ("0:00:05", 5), (6, 6)]
)
def test_a_plain_number_is_seconds(written: object, seconds: float) -> None:
    loaded = settings(publish_timeout=written, relay_lease="60")

    assert loaded.publish_timeout == timedelta(seconds=seconds)


def test_a_file_is_read_and_the_environment_wins_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings"
    file.write_text("SECRET_KEY=a key\nDB_NAME=of_the_file\nDB_USER=of_the_file\n")
    monkeypatch.setenv("DB_NAME", "of_the_environment")

    loaded = load(_env_file=file)

    assert (loaded.db_name, loaded.db_user) == ("of_the_environment", "of_the_file")


def test_the_database_url_survives_any_password() -> None:
    loaded = settings(db_pass="p@ss/w:rd?#%", db_user="us er", db_host="db", db_name="orders")

    assert loaded.database_url == "postgresql://us%20er:p%40ss%2Fw%3Ard%3F%23%25@db:5432/orders"


def test_a_server_to_which_nobody_could_prove_who_they_are_does_not_start() -> None:
    settings(webhook_secrets="s").require_signatures()
    settings(auth="open").require_signatures()
    settings(open_on_loopback=True).require_signatures()

    with pytest.raises(Misconfigured, match="WEBHOOK_SECRET is not set"):
        settings().require_signatures()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_loopback_keeps_other_machines_out(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "", "shop.example"])  # noqa: S104 - refused
def test_no_other_address_keeps_other_machines_out(host: str) -> None:
    assert not is_loopback(host)


def test_the_names_of_the_cart_and_processing_programs_are_understood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "POSTGRES_NAME": "shop",
        "POSTGRES_USER": "me",
        "POSTGRES_PASSWORD": "word",
        "POSTGRES_HOST": "db",
        "POSTGRES_PORT": "5433",
        "RABBIT_HOST": "rabbit",
        "RABBIT_PORT": "5673",
        "RABBIT_USER": "us er",
        "RABBIT_PASS": "p@ss/",
        "RABBIT_VHOST": "/orders",
        "OUTBOX_BATCH_SIZE": "100",
        "OUTBOX_POLL_INTERVAL": "5",
        "MAX_RETRY_ATTEMPTS": "2",
        "RETRY_DELAY_BASE_SECONDS": "7",
        "PROCESSING_SUCCESS_RATE": "0.3",
    }.items():
        monkeypatch.setenv(name, value)

    read = settings()

    assert read.database_url == "postgresql://me:word@db:5433/shop"
    assert read.rabbitmq_url.get_secret_value() == "amqp://us%20er:p%40ss%2F@rabbit:5673/%2Forders"
    assert (read.relay_batch, read.poll_interval) == (100, timedelta(seconds=5))
    assert (read.max_retry_attempts, read.retry_delay_base) == (2, timedelta(seconds=7))
    assert read.processing_success_rate == 0.3


def test_a_whole_url_wins_over_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RABBIT_HOST", "rabbit")
    monkeypatch.setenv("RABBITMQ_URL", "amqp://one:word@other/")

    assert settings().rabbitmq_url.get_secret_value() == "amqp://one:word@other/"

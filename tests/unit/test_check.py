"""``orderbus check --deploy`` refuses what must not go to production, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from orderbus.commands.cli import main

GOOD = {
    "SECRET_KEY": "k" * 43,
    "WEBHOOK_SECRET": "s" * 43,
    "ALLOWED_HOSTS": "orders.example.com",
    "DB_PASS": "p" * 20,
    "DB_OWNER_USER": "orderbus_owner",
    "DB_OWNER_PASSWORD": "o" * 20,
    "RABBITMQ_URL": "amqps://orderbus:secret@mq.example.com/orders",
    "WEBHOOK_OUTGOING_URL": "https://shop.example.com/hooks",
    "WEBHOOK_OUTGOING_SECRET": "whsec_" + "QUJD" * 8,
}


def checked(
    monkeypatch: pytest.MonkeyPatch, *options: str, **changes: str
) -> tuple[int, list[dict[str, Any]]]:
    """Run the command with good settings, changed; returns exit code and what is not ok."""
    for name, value in {**GOOD, **changes}.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(main, ["check", "--json", *options])
    found = json.loads(result.stdout) if result.stdout else []
    return result.exit_code, [finding for finding in found if finding["verdict"] != "ok"]


def test_good_settings_may_go_to_production(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(monkeypatch, "--deploy") == (0, [])


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"DEBUG": "true"}, "DEBUG"),
        ({"DEBUG": "true", "SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"AUTH": "open"}, "AUTH"),
        ({"ORDERBUS_OPEN_ON_LOOPBACK": "true"}, "AUTH"),
        ({"WEBHOOK_SECRET": ""}, "WEBHOOK_SECRET"),
        ({"WEBHOOK_SECRET": "s" * 43 + ",short"}, "WEBHOOK_SECRET"),
        ({"DB_PASS": ""}, "DB_PASS"),
        ({"DB_OWNER_USER": ""}, "DB_OWNER_USER"),
        ({"DB_OWNER_USER": "orderbus", "DB_USER": "orderbus"}, "DB_OWNER_USER"),
        ({"DB_OWNER_PASSWORD": ""}, "DB_OWNER_PASSWORD"),
        ({"DB_OWNER_PASSWORD": "postgres"}, "DB_OWNER_PASSWORD"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
        ({"WEBHOOK_OUTGOING_URL": "http://shop.example.com/hooks"}, "WEBHOOK_OUTGOING_URL"),
        ({"DB_PASS": "postgres"}, "DB_PASS"),
        ({"RABBITMQ_URL": "memory://"}, "RABBITMQ_URL"),
        ({"RABBITMQ_URL": "amqps://guest:guest@mq.example.com/"}, "RABBITMQ_URL"),
        ({"RABBITMQ_URL": "amqps://gu%65st:secret@mq.example.com/"}, "RABBITMQ_URL"),
        ({"RABBITMQ_URL": "amqps://orderbus:@mq.example.com/"}, "RABBITMQ_URL"),
        ({"RABBITMQ_URL": "amqps://mq.example.com/"}, "RABBITMQ_URL"),
        ({"PUBSUB_EMULATOR_HOST": "localhost:8085"}, "PUBSUB_EMULATOR_HOST"),
        (
            {"ORDERBUS_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"},
            "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS",
        ),
        (
            {"ORDERBUS_WEBHOOK_ALLOWED_NETWORKS": "169.254.0.0/16"},
            "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS",
        ),
        ({"ORDERBUS_WEBHOOK_ALLOWED_NETWORKS": "::/0"}, "ORDERBUS_WEBHOOK_ALLOWED_NETWORKS"),
    ],
)
def test_what_must_not_go_to_production_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], subject: str
) -> None:
    code, found = checked(monkeypatch, "--deploy", **changes)

    faults = [finding for finding in found if finding["verdict"] == "fault"]
    assert subject in {finding["subject"] for finding in faults}
    assert all(finding["todo"] for finding in faults)
    assert code == 1


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"LOG_LEVEL": "DEBUG"}, "LOG_LEVEL"),
        ({"ALLOWED_HOSTS": "localhost"}, "ALLOWED_HOSTS"),
        ({"RABBITMQ_URL": "amqp://orderbus:secret@mq.example.com/orders"}, "RABBITMQ_URL"),
        ({"WEBHOOK_OUTGOING_SECRET": ""}, "WEBHOOK_OUTGOING_SECRET"),
        ({"ORDERBUS_WORKER_METRICS_PORT": "0"}, "metrics ports"),
    ],
)
def test_what_somebody_should_look_at_is_a_warning_and_passes(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], subject: str
) -> None:
    code, found = checked(monkeypatch, "--deploy", **changes)

    assert [(finding["subject"], finding["verdict"]) for finding in found] == [(subject, "warning")]
    assert code == 0


def test_without_deploy_only_contradictions_count(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(monkeypatch, DEBUG="true", DB_PASS="") == (0, [])


def test_settings_that_contradict_one_another_end_it_with_code_2(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, _ = checked(monkeypatch, "--deploy", ORDERBUS_RELAY_LEASE="1")

    assert code == 2


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**GOOD, "SECRET_KEY": "tell-nobody", "WEBHOOK_SECRET": "hush"}.items():
        monkeypatch.setenv(name, value)

    shown = CliRunner().invoke(main, ["check", "--deploy"]).output

    assert "tell-nobody" not in shown
    assert "hush" not in shown

"""Whoever is woken up finds the page about it in the alarm's own text."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from orderbus import log_lines, telemetry
from orderbus.commands import doctor, examine_postgres, examine_rabbitmq, examine_replica, findings
from orderbus.commands.findings import fault, ok
from orderbus.domain import alarms
from tests.conftest import settings_from
from tests.unit.test_logs_page import written_at

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path for path in (ROOT / "docs" / "alarms").glob("*.md")}
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "observability" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
BACKLOG = {name for _, name, _ in telemetry.BACKLOG}


def linked_from(text: str) -> set[str]:
    """List the pages of docs/alarms that a text names."""
    return set(re.findall(r"alarms/([a-z-]+)\.md", text))


def test_every_error_in_the_log_has_its_page() -> None:
    errors = written_at({"error", "critical", "exception"})

    assert {"request_failed", "threads_lost", "dead_letter_written"} <= errors
    assert errors - set(alarms.EVENTS) == set(), "name their pages in orderbus/domain/alarms.py"


def test_every_event_with_a_page_is_one_that_something_writes() -> None:
    every = written_at({"debug", "info", "warning", "error", "critical", "exception"})

    assert set(alarms.EVENTS) - every == set()


def test_everything_that_doctor_examines_has_its_page() -> None:
    settings = settings_from({}, db_replica_host="replica")
    queues = settings_from({}, rabbitmq_url="amqp://one:two@localhost/")
    examined = {
        *examine_postgres.examinations(settings, None),  # type: ignore[arg-type]
        *examine_rabbitmq.examinations(queues),
        *examine_replica.examinations(settings),
        *re.findall(r'fault\("([^"]+)"', Path(doctor.__file__).read_text()),
        "incoming orders",
    }

    assert {"outbox", "RabbitMQ", "queues", "Pub/Sub", "settings"} <= examined
    assert examined == set(alarms.SUBJECTS), "name their pages in orderbus/domain/alarms.py"


def test_every_page_says_what_it_means_what_to_look_at_and_what_to_type() -> None:
    headings = {
        name: re.findall(r"^## (.*)$", path.read_text(), re.MULTILINE)
        for name, path in PAGES.items()
    }
    wanted = ["What it means", "What to look at", "What to type"]

    assert {name: found for name, found in headings.items() if found != wanted} == {}


def test_every_page_is_there_and_some_alarm_names_it() -> None:
    named = {*alarms.EVENTS.values(), *alarms.SUBJECTS.values()}
    named |= {Path(rule["annotations"]["runbook_url"]).stem for rule in RULES}

    assert named == set(PAGES)


def test_a_page_names_the_alarms_that_lead_to_it() -> None:
    """So that who searches the pages for the word that was in the alarm finds the page, too."""
    led = [*alarms.EVENTS.items(), *alarms.SUBJECTS.items()]
    led += [
        (metric, Path(rule["annotations"]["runbook_url"]).stem)
        for rule in RULES
        for metric in re.findall(r"orderbus_\w+", rule["expr"])
        if rule["alert"] not in {"OrderbusBacklogUnknown", "OrderbusServerError"}
    ]

    assert [(name, page) for name, page in led if f"`{name}`" not in PAGES[page].read_text()] == []


def test_every_metric_to_watch_has_a_rule_and_its_page() -> None:
    text = (ROOT / "docs" / "running.md").read_text()
    watched = text.split("## What to watch")[1].split("\n## ")[0]
    metrics = set(re.findall(r"^\| `(orderbus_\w+)`", watched, re.MULTILINE))
    ruled = {name for rule in RULES for name in re.findall(r"orderbus_\w+", rule["expr"])}

    assert metrics
    assert metrics <= ruled
    assert {Path(rule["annotations"]["runbook_url"]).stem for rule in RULES} <= linked_from(watched)


def test_every_rule_asks_for_metrics_that_there_are() -> None:
    counted = {f"{name}_total" for name in telemetry.counts()}
    asked = {name for rule in RULES for name in re.findall(r"orderbus_\w+", rule["expr"])}

    shown = {metric.name for metric in telemetry.REPLICA_LAG.collect()}
    assert asked - BACKLOG - counted - shown == set()


def test_the_index_lists_every_page() -> None:
    assert linked_from((ROOT / "docs" / "running.md").read_text()) == set(PAGES)


def test_a_line_that_wakes_somebody_up_names_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    before = structlog.get_config()
    try:
        log_lines.configure(settings_from({}, debug=False), process="worker")
        structlog.get_logger().error("partition_horizon_short", days=1)
        structlog.get_logger().info("event_published")
    finally:
        structlog.configure(**before)
    first, second = map(json.loads, written.getvalue().splitlines())

    assert first["page"] == "docs/alarms/partitions-end-soon.md"
    assert "page" not in second


def test_a_finding_of_the_doctor_names_its_page_unless_all_is_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        findings.report([ok("clock", "right"), fault("schema", "old", "migrate")], as_json=False)
    for_a_person = capsys.readouterr().out
    with pytest.raises(SystemExit):
        findings.report([ok("clock", "right"), fault("schema", "old", "migrate")], as_json=True)

    assert "docs/alarms/schema-differs.md" in for_a_person
    assert "clocks-differ" not in for_a_person
    assert [each["page"] for each in json.loads(capsys.readouterr().out)] == [
        "",
        "docs/alarms/schema-differs.md",
    ]

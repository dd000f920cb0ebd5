"""The real command ``dramatiq orderbus.actors``: how it begins, heals and ends."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pika
import pytest

from orderbus.storage.database import Database
from tests.support import outbox_rows, scenario
from tests.support.rabbitmq_node import ready
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import until, until_async, until_true
from tests.support.worker_process import Start, Worker, send

pytestmark = pytest.mark.once

PARTS = ("postgres", "rabbitmq", "pubsub")


@pytest.mark.parametrize(
    ("processes", "wrong", "said"),
    [
        ("1", {"ORDERBUS_RELAY_LEASE": "1"}, "ORDERBUS_RELAY_LEASE must be longer"),
        (
            "2",
            {"ORDERBUS_CONSUMERS": "nowhere"},
            "ORDERBUS_CONSUMERS names nowhere",
        ),
    ],
)
def test_settings_that_cannot_work_end_the_whole_worker_with_a_sentence(
    start: Start, processes: str, wrong: dict[str, str], said: str
) -> None:
    worker = start("--processes", processes, **wrong)

    code = worker.wait()

    assert code == 2
    assert f"orderbus: {said}" in worker.log
    assert not worker.is_there()


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DB_PASS", "wrong", "PostgreSQL refuses us"),
        ("RABBITMQ_URL", "/no-such-virtual-host", "RabbitMQ refuses us"),
    ],
)
def test_a_part_that_refuses_us_ends_the_whole_worker_with_a_sentence(
    start: Start, rabbitmq_url: str, variable: str, value: str, sentence: str
) -> None:
    if variable == "RABBITMQ_URL":
        value = rabbitmq_url.rpartition("/")[0] + value
    worker = start("--processes", "2", "--threads", "2", **{variable: value})

    code = worker.wait()

    assert code == 2
    assert f"orderbus: {sentence}" in worker.log
    assert not worker.is_there()


def test_a_worker_begins_while_every_part_is_away(
    start: Start, proxies: dict[str, TcpProxy], rabbitmq_url: str
) -> None:
    worker = start(proxies=proxies)
    until(lambda: worker.reaches(**dict.fromkeys(PARTS, False)), "it says what it does not reach")
    proxies["rabbitmq"].open()
    until(lambda: worker.reaches(rabbitmq=True), "it reaches RabbitMQ")
    until(lambda: _sent(rabbitmq_url), "the queues are there")
    proxies["pubsub"].open()
    until(
        lambda: worker.reaches(rabbitmq=True, pubsub=True, postgres=False),
        "it waits for PostgreSQL alone",
    )
    untouched = ready(rabbitmq_url, "deliver_webhook")
    proxies["postgres"].open()

    until(worker.is_ready, "it is ready")
    until(lambda: worker.count("deliver_webhook") == 1, "the message is processed")
    assert untouched == 1
    for part in PARTS:
        assert worker.said("part_away", part=part) == 1
        assert worker.said("part_back", part=part) == 1
    assert worker.stop() == 0


def _sent(url: str) -> bool:
    try:
        send(url, "deliver_webhook", "deliver_webhook", delivery=1)
    except pika.exceptions.AMQPError:
        return False
    return True


def test_a_worker_that_waits_for_a_part_can_be_stopped(
    start: Start, proxies: dict[str, TcpProxy]
) -> None:
    worker = start("--processes", "2", "--threads", "2", proxies=proxies)
    until(lambda: worker.reaches(postgres=False), "it waits")

    assert worker.stop() == 0
    assert not worker.is_there()


def test_parts_that_go_away_in_mid_run_cost_no_restart(
    start: Start, proxies: dict[str, TcpProxy], rabbitmq_url: str
) -> None:
    for proxy in proxies.values():
        proxy.open()
    worker = start("--processes", "2", "--threads", "2", proxies=proxies)
    until(worker.is_ready, "it is ready")

    for part in ("rabbitmq", "postgres"):
        before = worker.count("deliver_webhook")
        proxies[part].shut()
        until(partial(_both_said, worker, "part_away", part), f"both processes miss {part}")
        send(rabbitmq_url, "deliver_webhook", "deliver_webhook", delivery=1)
        proxies[part].open()
        until(partial(_processed_more, worker, before), f"it works on although {part} was away")
        until(partial(_both_said, worker, "part_back", part), f"both processes reach {part}")
        until(worker.is_ready, "it is ready again")

    assert worker.said("part_away") == worker.said("part_back") == 4, "said once by each process"
    assert worker.said("beat_failed") == 0


def _both_said(worker: Worker, event: str, part: str) -> bool:
    return worker.said(event, part=part) == 2


def _processed_more(worker: Worker, than: float) -> bool:
    return worker.count("deliver_webhook") > than


async def test_a_notification_is_answered_before_the_next_beat(
    start: Start, database: Database
) -> None:
    worker = start(ORDERBUS_POLL_INTERVAL="60")  # so five beats last longer than any test may
    await until_async(worker.is_ready, "it is ready")
    for _ in range(5):
        await scenario.place(database)
        await database.notify("outbox")
        await until_true(lambda: outbox_rows.are_all_published(database), "it is published")


def test_two_workers_with_one_metrics_port_both_work(start: Start) -> None:
    first = start()
    until(first.is_ready, "the first is ready")
    second = start()
    until(lambda: second.said("metrics_port_taken") == 1, "the second says that it is taken")

    assert first.stop() == 0
    until(second.is_ready, "the second takes the port over")
    assert second.process.poll() is None
    assert second.stop() == 0


def test_a_worker_told_to_stop_finishes_what_it_began(
    start: Start, rabbitmq_url: str, tmp_path: Path
) -> None:
    worker = start("--processes", "2", app="tests.integration.actors_app")
    until(worker.is_ready, "it is ready")
    page, go_on = tmp_path / "page", tmp_path / "go-on"
    send(rabbitmq_url, "probes", "write_slowly", path=str(page), go_on=str(go_on))
    until(page.exists, "it began")

    worker.process.send_signal(signal.SIGTERM)
    until(lambda: worker.ask("/readyz")[0] == 503, "it is not ready any more, but answers")
    go_on.touch()
    code = worker.wait()

    assert code == 0
    assert page.read_text() == "ended"
    assert ready(rabbitmq_url, "probes") == 0
    assert list(tmp_path.glob("orderbus-worker-*")) == []


def test_what_a_killed_worker_leaves_behind_is_swept_up(start: Start, tmp_path: Path) -> None:
    killed = start()
    until(killed.is_ready, "it is ready")
    killed.kill()
    left = list(tmp_path.glob("orderbus-worker-*"))

    orphaned = start()
    until(orphaned.is_ready, "the next one is ready")
    kept = list(tmp_path.glob("orderbus-worker-*"))
    orphaned.process.kill()  # the master alone
    until(lambda: not orphaned.is_there(), "its processes do not outlive it")

    assert len(left) == 1
    assert len(kept) == 1
    assert kept != left
    assert list(tmp_path.glob("orderbus-worker-*")) == []

"""Parts go away and come back, and nobody restarts a process by hand.

Meanwhile orders come in all the time. After each outage every order that was accepted has been
delivered once and in order, and nobody was charged an attempt for it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest

from orderbus.errors import Misconfigured
from orderbus.local.rabbitmq import USER
from tests.end_to_end.stage import Stage, silent_sink

# One after the other on one stage: two of them would be a load of their own for all others.
pytestmark = [
    pytest.mark.native,
    pytest.mark.timeout(150),
    pytest.mark.xdist_group("outages"),
]

ALL_MISS_POSTGRES = {"web": "postgres", "workers": "postgres", "bridge": "postgres"}
ALL_MISS_RABBITMQ = {"workers": "rabbitmq", "bridge": "rabbitmq"}
TERMINATE = b"""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
       AND application_name LIKE 'orderbus%'
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    for each in (folder, *list(folder.parents)[:2]):
        each.chmod(0o755)  # PostgreSQL's user may enter
    try:
        stage = Stage(folder)
        stage.open()
    except Misconfigured as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
    yield stage
    stage.close()


def nothing() -> None:
    """Do nothing: it ends by itself."""


# -- RabbitMQ -----------------------------------------------------------------------------------


def test_rabbitmq_stopped_for_20_seconds(stage: Stage) -> None:
    stage.endure(
        "RabbitMQ stopped",
        begin=lambda: stage.node.control("stop_app"),
        seconds=20,
        end=lambda: stage.node.control("start_app"),
        red=ALL_MISS_RABBITMQ,
    )


def test_rabbitmq_killed_and_restarted(stage: Stage) -> None:
    stage.endure(
        "RabbitMQ killed (SIGKILL) and restarted",
        begin=stage.node.kill,
        seconds=5,
        end=stage.node.start,
        red=ALL_MISS_RABBITMQ,
    )


def test_rabbitmq_with_a_memory_alarm_for_15_seconds(stage: Stage) -> None:
    stage.endure(
        "RabbitMQ's memory alarm",
        begin=lambda: stage.node.alarm(on=True),
        seconds=15,
        end=lambda: stage.node.alarm(on=False),
    )


def test_rabbitmq_closes_every_connection(stage: Stage) -> None:
    stage.endure(
        "every connection closed by RabbitMQ",
        begin=lambda: stage.node.close_connections(f"/{stage.vhost}"),
        seconds=0,
        end=nothing,
    )


def test_the_virtual_host_is_deleted_and_made_again(stage: Stage) -> None:
    def make_again() -> None:
        stage.node.control("add_vhost", stage.vhost)
        stage.node.control("set_permissions", "-p", stage.vhost, USER, ".*", ".*", ".*")

    stage.endure(
        "RabbitMQ's virtual host deleted, made again",
        begin=lambda: stage.node.control("delete_vhost", stage.vhost),
        seconds=5,
        end=make_again,
        red=ALL_MISS_RABBITMQ,
    )


# -- PostgreSQL ---------------------------------------------------------------------------------


def test_postgresql_restarted(stage: Stage) -> None:
    stage.endure(
        "PostgreSQL stopped and restarted",
        begin=stage.postgres.stop,
        seconds=5,
        end=lambda: stage.postgres.start(silent_sink),
        red=ALL_MISS_POSTGRES,
    )


def test_postgresql_terminates_every_backend(stage: Stage) -> None:
    stage.endure(
        "every backend of PostgreSQL terminated",
        begin=lambda: execute(stage, TERMINATE),
        seconds=0,
        end=nothing,
    )


def test_postgresql_has_no_connection_left(stage: Stage) -> None:
    ours = psycopg.connect(stage.system.settings.database_url, autocommit=True)
    taken = [ours]

    def take_all() -> None:
        # Those of orderbus are taken as they fall free, until it has none left.
        while ours.execute(TERMINATE).rowcount:
            with suppress(psycopg.OperationalError):
                while True:
                    taken.append(psycopg.connect(stage.system.settings.database_url))

    def give_back() -> None:
        for connection in taken:
            connection.close()

    stage.endure(
        "PostgreSQL's connections exhausted",
        begin=take_all,
        seconds=5,
        end=give_back,
        red=ALL_MISS_POSTGRES,
    )


def test_postgresql_cannot_write_because_its_disk_is_full(stage: Stage) -> None:
    """SQLSTATE 53100 from a trigger: every write of ours fails as on a full disk."""
    tables = (b"orders.orders", b"ops.outbox", b"ops.inbox", b"ops.webhook_deliveries")

    def fill() -> None:
        execute(
            stage,
            b"CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            b" RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100';"
            b" END $$",
            *(
                b"CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE OR DELETE ON %s"
                b" FOR EACH STATEMENT EXECUTE FUNCTION disk_full()" % table
                for table in tables
            ),
        )

    def free() -> None:
        execute(stage, b"DROP FUNCTION disk_full CASCADE")

    outage = stage.endure(
        "PostgreSQL's disk full (SQLSTATE 53100)", begin=fill, seconds=5, end=free
    )

    assert outage.answers["503"] > 0


# -- Pub/Sub ------------------------------------------------------------------------------------


def test_the_emulator_killed_and_restarted_empty(stage: Stage) -> None:
    stage.endure(
        "Pub/Sub emulator killed, restarted empty",
        begin=stage.pubsub.stop,
        seconds=5,
        end=lambda: stage.pubsub.start(silent_sink),
        red={"bridge": "pubsub"},
    )


# -- processes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["web", "workers", "bridge"])
def test_a_process_stopped_for_10_seconds_and_continued(stage: Stage, name: str) -> None:
    group = stage.processes[name].pid
    stage.endure(
        f"{name} stopped (SIGSTOP) and continued",
        begin=lambda: os.killpg(group, signal.SIGSTOP),
        seconds=10,
        end=lambda: os.killpg(group, signal.SIGCONT),
        silent=name == "web",
    )


# -- the network --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "red"),
    [
        ("postgres", ALL_MISS_POSTGRES),
        ("rabbitmq", ALL_MISS_RABBITMQ),
        ("pubsub", {"bridge": "pubsub"}),
    ],
)
def test_the_network_to_a_part_is_cut_for_5_seconds(
    stage: Stage, part: str, red: dict[str, str]
) -> None:
    door = stage.doors[part]
    stage.endure(f"network to {part} cut", begin=door.shut, seconds=5, end=door.open, red=red)


@pytest.mark.parametrize("part", ["postgres", "rabbitmq", "pubsub"])
def test_the_network_to_a_part_is_slow_for_5_seconds(stage: Stage, part: str) -> None:
    door = stage.doors[part]

    def slow() -> None:
        door.delay = 0.3

    def quick() -> None:
        door.delay = 0.0

    stage.endure(f"network to {part} 300 ms slower each way", begin=slow, seconds=5, end=quick)


def execute(stage: Stage, *statements: bytes) -> None:
    with psycopg.connect(stage.system.settings.database_url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)

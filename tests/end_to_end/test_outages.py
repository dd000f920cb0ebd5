"""Parts go away and come back, and nobody restarts a process by hand.

Meanwhile orders come in all the time. After each outage every order that was accepted has been
delivered once and in order, and nobody was charged an attempt for it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from orderbus.devtools.rabbitmq import USER
from orderbus.errors import Misconfigured
from tests.support.dependencies import open_folder
from tests.support.parts_behind_proxies import ROLE, silent_sink
from tests.support.system_under_load import SystemUnderLoad
from tests.support.waiting import until

# One after the other on one system (`--dist loadfile`): two would be a load for all other tests.
pytestmark = [pytest.mark.native, pytest.mark.timeout(600)]

ALL_MISS_POSTGRES = {"web": "postgres", "workers": "postgres", "bridge": "postgres"}
ALL_MISS_RABBITMQ = {"workers": "rabbitmq", "bridge": "rabbitmq"}
TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
       AND application_name LIKE 'orderbus%'
"""
END_SESSIONS = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{ROLE}'"


@pytest.fixture(scope="module")
def loaded_system() -> Iterator[SystemUnderLoad]:
    with open_folder() as folder:
        try:
            loaded_system = SystemUnderLoad(folder)
            loaded_system.open()
        except Misconfigured as error:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
        yield loaded_system
        loaded_system.close()


def nothing() -> None:
    """Do nothing: it ends by itself."""


# -- RabbitMQ -----------------------------------------------------------------------------------


def test_rabbitmq_stopped_for_20_seconds(loaded_system: SystemUnderLoad) -> None:
    loaded_system.endure(
        "RabbitMQ stopped",
        begin=lambda: loaded_system.parts.node.control("stop_app"),
        seconds=20,
        end=lambda: loaded_system.parts.node.control("start_app"),
        red=ALL_MISS_RABBITMQ,
    )


def test_rabbitmq_killed_and_restarted(loaded_system: SystemUnderLoad) -> None:
    loaded_system.endure(
        "RabbitMQ killed (SIGKILL) and restarted",
        begin=loaded_system.parts.node.kill,
        seconds=5,
        end=loaded_system.parts.node.start,
        red=ALL_MISS_RABBITMQ,
    )


def test_rabbitmq_with_a_memory_alarm_for_15_seconds(loaded_system: SystemUnderLoad) -> None:
    loaded_system.endure(
        "RabbitMQ's memory alarm",
        begin=lambda: loaded_system.parts.node.alarm(on=True),
        seconds=15,
        end=lambda: loaded_system.parts.node.alarm(on=False),
    )


def test_rabbitmq_closes_every_connection(loaded_system: SystemUnderLoad) -> None:
    loaded_system.endure(
        "every connection closed by RabbitMQ",
        begin=lambda: loaded_system.parts.node.close_connections(f"/{loaded_system.parts.vhost}"),
        seconds=0,
        end=nothing,
    )


def test_the_virtual_host_is_deleted_and_made_again(loaded_system: SystemUnderLoad) -> None:
    def make_again() -> None:
        loaded_system.parts.node.control("add_vhost", loaded_system.parts.vhost)
        loaded_system.parts.node.control(
            "set_permissions", "-p", loaded_system.parts.vhost, USER, ".*", ".*", ".*"
        )

    loaded_system.endure(
        "RabbitMQ's virtual host deleted, made again",
        begin=lambda: loaded_system.parts.node.control("delete_vhost", loaded_system.parts.vhost),
        seconds=5,
        end=make_again,
        red=ALL_MISS_RABBITMQ,
    )


# -- PostgreSQL ---------------------------------------------------------------------------------


def test_postgresql_restarted(loaded_system: SystemUnderLoad) -> None:
    loaded_system.endure(
        "PostgreSQL stopped and restarted",
        begin=loaded_system.parts.postgres.stop,
        seconds=5,
        end=lambda: loaded_system.parts.postgres.start(loaded_system.parts.note),
        red=ALL_MISS_POSTGRES,
    )


def test_postgresql_terminates_every_backend(loaded_system: SystemUnderLoad) -> None:
    loaded_system.endure(
        "every backend of PostgreSQL terminated",
        begin=lambda: loaded_system.parts.execute(TERMINATE),
        seconds=0,
        end=nothing,
    )


def test_postgresql_has_no_connection_left(loaded_system: SystemUnderLoad) -> None:
    """SQLSTATE 53300: PostgreSQL itself refuses, so nobody can be quicker than this test."""

    def refuse() -> None:
        # While the door is shut, whoever is half inside is cut off too.
        loaded_system.parts.proxies["postgres"].shut()
        loaded_system.parts.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT 0")
        until(
            lambda: loaded_system.parts.execute(END_SESSIONS) == 0, "no session of orderbus is left"
        )
        loaded_system.parts.proxies["postgres"].open()
        until(
            lambda: any("too many connections" in line for line in loaded_system.parts.said),
            "one is refused",
        )

    def let_in() -> None:
        loaded_system.parts.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
        loaded_system.parts.proxies["postgres"].open()

    loaded_system.endure(
        "PostgreSQL's connections exhausted",
        begin=refuse,
        seconds=5,
        end=let_in,
        red=ALL_MISS_POSTGRES,
    )


def test_postgresql_cannot_write_because_its_disk_is_full(loaded_system: SystemUnderLoad) -> None:
    """SQLSTATE 53100 from a trigger: every write of ours fails as on a full disk."""
    outage = loaded_system.endure(
        "PostgreSQL's disk full (SQLSTATE 53100)",
        begin=loaded_system.parts.fill_disk,
        seconds=5,
        end=loaded_system.parts.free_disk,
    )

    assert outage.answers["503"] > 0


# -- Pub/Sub ------------------------------------------------------------------------------------


def test_the_emulator_killed_and_restarted_empty(loaded_system: SystemUnderLoad) -> None:
    loaded_system.endure(
        "Pub/Sub emulator killed, restarted empty",
        begin=loaded_system.parts.pubsub.stop,
        seconds=5,
        end=lambda: loaded_system.parts.pubsub.start(silent_sink),
        red={"bridge": "pubsub"},
    )


# -- processes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["web", "workers", "bridge"])
def test_a_process_stopped_for_10_seconds_and_continued(
    loaded_system: SystemUnderLoad, name: str
) -> None:
    group = loaded_system.processes[name].pid
    loaded_system.endure(
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
    loaded_system: SystemUnderLoad, part: str, red: dict[str, str]
) -> None:
    proxy = loaded_system.parts.proxies[part]
    loaded_system.endure(
        f"network to {part} cut", begin=proxy.shut, seconds=5, end=proxy.open, red=red
    )


@pytest.mark.long
@pytest.mark.parametrize("part", ["postgres", "rabbitmq", "pubsub"])
def test_the_network_to_a_part_is_slow_for_5_seconds(
    loaded_system: SystemUnderLoad, part: str
) -> None:
    proxy = loaded_system.parts.proxies[part]

    def slow() -> None:
        proxy.delay = 0.3

    def quick() -> None:
        proxy.delay = 0.0

    loaded_system.endure(
        f"network to {part} 300 ms slower each way", begin=slow, seconds=5, end=quick
    )

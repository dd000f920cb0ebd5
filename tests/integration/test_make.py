"""Each target that starts one of our commands does so, against a real PostgreSQL and Pub/Sub."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.support.ports import kept_port
from tests.support.waiting import until

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]


def command(*words: str) -> list[str]:
    """Have this Python's commands run; what they are made of is installed already."""
    here = Path(sys.executable).parent
    known = ["-o", "venv", "-o", "install", "-o", "parts", f"BIN={here}"]
    return ["make", "--no-print-directory", *known, *words]


@pytest.fixture
def given(env: dict[str, str]) -> dict[str, str]:
    """What a developer's environment names; RabbitMQ is not needed here."""
    ours = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    settings = {
        "SECRET_KEY": "a key for tests",
        "AUTH": "open",
        "RABBITMQ_URL": "amqp://nobody:nobody@127.0.0.1:1/",
        "ORDERBUS_WORKER_METRICS_PORT": "0",
        "ORDERBUS_BRIDGE_METRICS_PORT": "0",
    }
    return {**ours, **env, **settings}


def typed(given: dict[str, str], *words: str, stdin: str = "") -> str:
    """Type it to its end; returns what it says."""
    ran = subprocess.run(
        command(*words),
        cwd=ROOT,
        env=given,
        input=stdin,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("target", ["migrate", "migrate-orders", "migrate-processor"])
def test_the_database_is_brought_up_to_date(given: dict[str, str], target: str) -> None:
    typed(given, target)

    said = typed(given, "shell", stdin="print('pool', type(run(database.ping())))\n")
    assert "orderbus, on the database that the settings name" in said
    assert "pool <class 'NoneType'>" in said


@pytest.mark.parametrize("target", ["createsuperuser", "create-superuser"])
def test_somebody_is_added_who_may_do_everything(given: dict[str, str], target: str) -> None:
    said = typed(given, target, "ARGS=--username someone --json", stdin="correct horse\n")

    assert json.loads(said)["role"] == "superuser"


def test_dead_letters_are_listed_and_redriven(given: dict[str, str]) -> None:
    assert json.loads(typed(given, "dlq-list", "ARGS=--json")) == []
    typed(given, "dlq-replay")


def test_what_is_installed_is_printed_as_pip_does(given: dict[str, str]) -> None:
    assert "aiohttp==" in typed(given, "freeze")


#: Where ``schema.sql`` cannot be written the way it is: no PostgreSQL 15 with its tools.
CANNOT = "no PostgreSQL here|there is no pg_dump|schema.sql is as PostgreSQL 15 writes it"


def test_the_schema_is_written_anew_from_the_migrations(
    given: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "Makefile", tmp_path)
    written = tmp_path / "migrations" / "schema.sql"
    written.parent.mkdir()

    ran = subprocess.run(
        command("schema"),
        cwd=tmp_path,
        env={**given, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )

    if ran.returncode == 0:
        assert written.read_text() == (ROOT / "migrations" / "schema.sql").read_text()
    else:
        assert re.search(CANNOT, ran.stderr), ran.stderr
        assert not written.exists()


def test_settings_of_a_developer_do_not_go_to_production(given: dict[str, str]) -> None:
    ran = subprocess.run(
        command("check-deploy"), cwd=ROOT, env=given, check=False, capture_output=True, text=True
    )

    assert ran.returncode != 0
    assert "AUTH" in ran.stdout


@contextmanager
def running(given: dict[str, str], log: Path, *words: str) -> Iterator[None]:
    """Type what goes on until it is ended."""
    with log.open("w") as file:
        process = subprocess.Popen(
            command(*words), cwd=ROOT, env=given, stdout=file, stderr=file, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # as Ctrl-C does: everybody hears it
            process.wait(90)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@pytest.mark.parametrize("target", ["runserver", "run-server"])
def test_the_web_server_starts_anew_when_a_file_changes(
    given: dict[str, str], target: str, tmp_path: Path
) -> None:
    port, log = kept_port(), tmp_path / "log"
    code = tmp_path / "code.py"
    code.write_text("first")
    words = (target, f"ARGS=--port {port}", f"WATCH={code}")
    with running({**given, "DEBUG": "1"}, log, *words):
        until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "web is ready")
        code.write_text("second, and longer")
        until(lambda: log.read_text().count("web_ready") == 2, "it is ready again")
        until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "web answers again")


def test_the_bridge_starts(given: dict[str, str], tmp_path: Path) -> None:
    port = kept_port()
    with running(
        {**given, "ORDERBUS_BRIDGE_METRICS_PORT": str(port)}, tmp_path / "log", "subscriber"
    ):
        until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the bridge lives")


def test_the_workers_start(given: dict[str, str], tmp_path: Path) -> None:
    port = kept_port()
    changes = {"ORDERBUS_WORKER_METRICS_PORT": str(port), "TMPDIR": str(tmp_path)}
    with running({**given, **changes}, tmp_path / "log", "workers", "ARGS=--processes 1"):
        until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the worker lives")

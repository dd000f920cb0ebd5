"""Whoever types a command beside a running ``orderbus up`` is told how to reach it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orderbus.commands.cli import main


@pytest.fixture
def nobody_there() -> Iterator[str]:
    """A port that nobody listens at, for as long as this lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield str(taken.getsockname()[1])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an ``orderbus up`` of another port runs, and no .env is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORDERBUS_DATA", raising=False)
    (tmp_path / ".orderbus" / "up").mkdir(parents=True)
    (tmp_path / ".orderbus" / "up" / "env").write_text("export DB_PORT=4\nexport DB_USER=o\n")
    return tmp_path


def typed(port: str, *words: str) -> Result:
    given = {"DB_HOST": "127.0.0.1", "DB_PORT": port, "SECRET_KEY": "x" * 40, "DEBUG": "1"}
    return CliRunner().invoke(main, words, env=given)


@pytest.mark.usefixtures("folder")
def test_a_command_that_reaches_nobody_says_what_to_type_first(nobody_there: str) -> None:
    said = typed(nobody_there, "endpoints", "list")

    assert said.exit_code == 3
    assert "type `. .orderbus/up/env`, then this again" in said.stderr


def test_without_an_orderbus_up_the_doctor_is_named_and_containers(
    nobody_there: str, folder: Path
) -> None:
    (folder / ".orderbus" / "up" / "env").unlink()

    assert "docker compose exec web orderbus doctor" in typed(nobody_there, "keys", "list").stderr


@pytest.mark.usefixtures("folder")
def test_whoever_has_its_settings_already_is_told_of_the_doctor() -> None:
    assert "`orderbus doctor` tells" in typed("4", "keys", "list").stderr

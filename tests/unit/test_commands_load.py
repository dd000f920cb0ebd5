"""Each command loads only what it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Final

import click
import pytest

from orderbus.commands.cli import COMMANDS, main
from tests.support.wheels import ROOT

#: Runs a command, and tells afterwards which modules it loaded.
_TELL: Final = """
import json, sys
from orderbus.commands.cli import main
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write(json.dumps(sorted(sys.modules)))
"""
_HEAVY: Final = {"dramatiq", "google", "grpc", "orderbus.actors", "orderbus.devtools", "pika"}


def loaded(*arguments: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-c", _TELL, *arguments], capture_output=True, text=True, check=True
    )
    return set(json.loads(ran.stderr))


def test_the_list_of_commands_loads_none_of_them() -> None:
    ours = {name for name in loaded("--help") if name.startswith("orderbus")}

    assert ours == {"orderbus", "orderbus.commands", "orderbus.commands.cli"}


@pytest.mark.parametrize("command", ["keys", "orders", "outbox"])
def test_a_command_that_needs_postgresql_alone_loads_no_other_client(command: str) -> None:
    modules = loaded(command, "--help")

    assert not modules & _HEAVY
    others = {f"orderbus.commands.{module}" for module, _ in COMMANDS.values()}
    assert modules & others == {f"orderbus.commands.{command}"}
    assert len(modules) < 800  # 1,137 while each command loaded all of them


#: What takes longest to load: the clients, the servers and the settings.
_SLOW: Final = {"aiohttp", "asyncpg", "dramatiq", "google", "grpc", "pika", "pydantic", "structlog"}
#: Whose options are checked by what they are about.
_NEEDED: Final = {"check": {"pydantic"}, "endpoints": {"pydantic"}, "workers": {"dramatiq"}}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_loads_nothing_that_it_works_with(command: str) -> None:
    assert loaded(command, "--help") & _SLOW == _NEEDED.get(command, set())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_a_command_what_the_command_says_first(name: str) -> None:
    command = main.get_command(click.Context(main), name)

    assert command is not None
    assert command.name == name
    _, sentence = COMMANDS[name]
    assert command.hidden == (sentence == "")
    assert (command.help or "").startswith(sentence)


@pytest.mark.parametrize(
    ("command", "script", "option"),
    [("web", "run_web.py", "--host"), ("workers", "run_actors.py", "--worker-shutdown-timeout")],
)
def test_the_script_of_a_checkout_takes_the_options_of_the_command(
    command: str, script: str, option: str
) -> None:
    first, second = options("-m", "orderbus", command), options(script)

    assert first == second
    assert option in first


def options(*program: str) -> set[str]:
    shown = subprocess.run(
        [sys.executable, *program, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(re.findall(r"--[a-z-]+", shown.stdout))

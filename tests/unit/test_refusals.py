"""A command that refuses says which setting or option it is, what is allowed and what to do."""

from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner, Result

from orderbus.commands.cli import main

KEYS = {"SECRET_KEY": "a key for tests", "WEBHOOK_SECRET": "a secret for tests"}


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, arguments, env={**KEYS, **env})


@pytest.mark.parametrize(
    ("named", "other", "value"),
    [
        ("WEBHOOK_OUTGOING_URL", "WEBHOOK_OUTGOING_SECRET", "ftp://shop.example.com/"),
        ("WEBHOOK_OUTGOING_SECRET", "WEBHOOK_OUTGOING_URL", "whsec_short"),
    ],
)
def test_migrate_names_the_setting_of_the_built_in_endpoint_that_cannot_work(
    named: str, other: str, value: str
) -> None:
    refused = run("migrate", **{named: value})

    assert refused.exit_code == 2
    assert named in refused.stderr
    assert other not in refused.stderr
    assert "whsec_short" not in refused.stderr


@pytest.mark.parametrize("option", ["--yes", "--lose-rows"])
def test_what_belongs_to_a_rollback_is_refused_without_one(option: str) -> None:
    refused = run("migrate", option)

    assert refused.exit_code == 2
    assert "--rollback: leave them out" in " ".join(refused.stderr.split())


@pytest.mark.parametrize("arguments", [(), ("1", "--all")])
def test_a_redrive_is_of_some_dead_letters_or_of_all(arguments: tuple[str, ...]) -> None:
    refused = run("dead-letters", "redrive", *arguments)

    assert refused.exit_code != 0
    assert "Give either the IDs of dead letters, or --all" in refused.stderr


def test_a_double_that_cannot_listen_says_where_and_what_to_choose() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        double = run("pubsub-double", "--port", port)
        admin = run("pubsub-double", "--port", "0", "--admin-port", port)

    assert f"127.0.0.1:{port}: choose another --host or --port" in double.stderr
    assert port in admin.stderr
    assert "choose another --admin-port" in admin.stderr
    assert [double.exit_code, admin.exit_code] == [2, 2]

"""``orderbus up`` refuses what cannot work before anything starts, and takes what it may."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orderbus.commands.cli import main
from orderbus.devtools import dotenv
from orderbus.devtools.dependency import Dependency
from orderbus.devtools.docker import container
from orderbus.devtools.postgres import NativePostgres
from orderbus.devtools.replica import replica_of
from orderbus.errors import Misconfigured

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def up(folder: Path, *options: str, **env: str) -> Result:
    """Run the command; whatever it would start, it would first make the folder for."""
    arguments = ["up", "--data", str(folder / "data"), "--port", "0", "--parts", "embedded"]
    return CliRunner().invoke(main, [*arguments, *options], env=env)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nonsense", "must begin with http:// or https://"),
        ("", "must begin with http:// or https://"),
        ("ftp://shop.example.com/", "must begin with http:// or https://"),
        ("http://", "must name a host"),
        ("http:///hooks", "must name a host"),
        ("http://shop.example.com:0/", "must name a host"),
        ("http://shop.example.com:99999/", "Port out of range"),
        ("http://shop.example.com:hooks/", "Port could not be cast"),
        ("http://me:secret@shop.example.com/", "must not hold a user name or password"),
        ("http://shop.example.com/#fragment", "must not hold a fragment"),
        ("http://shop.example.com/a b", "must hold no characters but"),
    ],
)
def test_a_url_that_no_webhook_can_be_sent_to_is_refused_before_anything_starts(
    tmp_path: Path, url: str, why: str
) -> None:
    refused = up(tmp_path, "--webhook", url)

    assert refused.exit_code == 2
    assert why in " ".join(refused.output.split())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("WEBHOOK_OUTGOING_SECRET", "nonsense"),
        ("WEBHOOK_OUTGOING_SECRET", "whsec_short"),
        ("LOG_LEVEL", "nonsense"),
        ("ORDERBUS_RELAY_LEASE", "1"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_before_anything_starts(
    tmp_path: Path, setting: str, value: str
) -> None:
    refused = up(tmp_path, **{setting: value})

    assert refused.exit_code == 2
    assert setting in refused.output
    assert value == "1" or value not in refused.output
    assert not (tmp_path / "data").exists()


def test_the_demo_refuses_it_as_early(tmp_path: Path) -> None:
    env = {"LOG_LEVEL": "nonsense", "ORDERBUS_DATA": str(tmp_path / "data")}
    refused = CliRunner().invoke(main, ["demo", "--parts", "embedded"], env=env)

    assert refused.exit_code == 2
    assert not (tmp_path / "data").exists()


def test_of_dotenv_is_taken_what_is_not_about_parts_ports_and_callers() -> None:
    given = dotenv.read(EXAMPLE, {})

    assert {"DEBUG", "SECRET_KEY", "ORDERBUS_PROCESSOR", "PUBSUB_PROJECT_ID"} <= set(given.taken)
    assert {"DB_HOST", "DB_PASS", "RABBITMQ_URL", "PUBSUB_EMULATOR_HOST", "WEBHOOK_SECRET"} <= set(
        given.replaced
    )
    assert not set(given.taken) & set(given.replaced)


def test_a_setting_counts_by_any_of_its_names_in_any_case_and_others_are_left_alone(
    tmp_path: Path,
) -> None:
    file = tmp_path / ".env"
    lines = ("export OUTBOX_BATCH_SIZE=7", "postgres_host=db", "log_level=DEBUG", "MY_OWN=1")
    file.write_text("\n".join([*lines, "ORDERBUS_CONSUMERS=", ""]))

    given = dotenv.read(file, {})

    assert given.taken == {"OUTBOX_BATCH_SIZE": "7", "LOG_LEVEL": "DEBUG"}
    assert given.replaced == ("POSTGRES_HOST",)


def test_what_the_environment_has_too_is_not_taken_from_dotenv(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ORDERBUS_RELAY_BATCH=7\nLOG_LEVEL=DEBUG\n")

    given = dotenv.read(file, {"OUTBOX_BATCH_SIZE": "9", "LOG_LEVEL": ""})

    assert given.taken == {"LOG_LEVEL": "DEBUG"}


def test_where_there_is_no_dotenv_nothing_is_taken(tmp_path: Path) -> None:
    given = dotenv.read(tmp_path / ".env", {})

    assert (dict(given.taken), given.replaced) == ({}, ())


@pytest.mark.parametrize(
    ("postgres", "why"),
    [
        (Dependency("PostgreSQL", "named by DB_HOST"), "DB_REPLICA_HOST"),
        (container("PostgreSQL"), "docker compose --profile replica up"),
        (NativePostgres(Path("postgres"), Path("bin")), "pg_basebackup"),
    ],
    ids=["named", "docker", "without pg_basebackup"],
)
def test_a_replica_of_what_cannot_be_cloned_is_refused_with_what_to_do(
    postgres: Dependency, why: str
) -> None:
    with pytest.raises(Misconfigured, match=why):
        replica_of([postgres])

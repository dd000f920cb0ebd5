"""What tests ask for by name. Real parts are started when the first test needs one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog

from orderbus.devtools.dependency import Dependency
from orderbus.devtools.providers import Provider
from orderbus.errors import Misconfigured
from orderbus.settings import Settings, load
from orderbus.storage import migrations
from orderbus.storage.database import Database, open_database
from tests.support.dependencies import MEETING, WAY, meeting_place, running_parts, shared_parts, way
from tests.support.waiting import PATIENCE

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    ways = [each.value for each in Provider]
    parser.addoption("--fuzz", type=float, default=1.0, help="minutes of tests/fuzz in all")
    parser.addoption("--parts", choices=ways, help="have every part this way")


def pytest_configure(config: pytest.Config) -> None:
    """Remember how parts are had; where several workers run (``-n``), let them share one set."""
    if asked := config.getoption("--parts"):
        os.environ[WAY] = asked
    is_worker = hasattr(config, "workerinput")
    if not is_worker and config.getoption("numprocesses", None):
        meeting = ExitStack()
        meeting.enter_context(meeting_place())
        config.add_cleanup(meeting.close)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if way() is Provider.EMBEDDED:  # what is about RabbitMQ itself has nothing to be about
        left_out = [item for item in items if {"native", "once"} & {*_marks(item)}]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    for item in items:
        floor = item.path.relative_to(HERE).parts[0]
        if floor in {"integration", "fuzz"}:
            item.add_marker(pytest.mark.integration)
        elif floor in {"end_to_end", "long"}:
            item.add_marker(pytest.mark.e2e)


def _marks(item: pytest.Item) -> Iterator[str]:
    return (mark.name for mark in item.iter_markers())


@pytest.fixture(scope="session")
def parts() -> Iterator[dict[str, Dependency]]:
    """The three real neighbours. Missing ones: skip on a laptop, fail where CI is set."""
    try:
        if MEETING in os.environ:
            yield shared_parts(Path(os.environ[MEETING]))
        else:
            with running_parts() as running:
                yield running
    except Misconfigured as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def part_env(parts: dict[str, Dependency]) -> dict[str, str]:
    """The variables that name the three parts."""
    return {name: value for part in parts.values() for name, value in part.env.items()}


def settings_from(env: dict[str, str], **changes: Any) -> Settings:
    """Settings for tests: open on loopback, webhooks to loopback allowed, no ports of its own.

    An exchange that a test holds up is given up by nobody, however busy this machine is.
    """
    fields = {
        field: env[alias]
        for field, info in Settings.model_fields.items()
        for alias in getattr(info.validation_alias, "choices", ())
        if alias in env
    }
    defaults: dict[str, Any] = {
        "secret_key": "a key for tests",
        "auth": "open",
        "webhook_allowed_networks": "127.0.0.0/8,::1/128",
        "webhook_timeout": timedelta(seconds=PATIENCE),
        "delivery_lease": timedelta(seconds=PATIENCE + 15),
        "worker_metrics_port": 0,
        "bridge_metrics_port": 0,
    }
    return load(_env_file=None, **{**defaults, **fields, **changes})


@pytest.fixture(scope="session")
def template(part_env: dict[str, str]) -> str:
    """The name of a migrated database from which each test gets its own."""
    settings = settings_from(
        {**part_env, "DB_NAME": _create(part_env, f"template_{uuid4().hex[:12]}")}
    )
    with migrations.locked(settings, wait=timedelta(seconds=PATIENCE), waiting=print):
        migrations.migrate(settings)
    return settings.db_name


def _create(env: dict[str, str], name: str, *, template: str = "template1") -> str:
    import psycopg  # noqa: PLC0415 - only here

    url = settings_from(env).database_url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return name


def _drop(env: dict[str, str], name: str) -> None:
    import psycopg  # noqa: PLC0415 - only here

    with psycopg.connect(settings_from(env).database_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def env(part_env: dict[str, str], template: str) -> Iterator[dict[str, str]]:
    """The variables of one test's own orderbus: its database, topic and subscription."""
    mark = uuid4().hex[:12]
    name = _create(part_env, f"test_{mark}", template=template)
    yield {
        **part_env,
        "DB_NAME": name,
        "PUBSUB_TOPIC_ORDER_CREATED": f"order.created.{mark}",
        "PUBSUB_SUBSCRIPTION_ORDER_CREATED": f"order.created.local.{mark}",
    }
    _drop(part_env, name)


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    """Settings for one test's own database, topic and subscription."""
    return settings_from(env)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """One test's own migrated database."""
    async with open_database(settings) as database:
        yield database


@pytest.fixture(autouse=True)
def _no_settings_from_outside(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Keep a developer's .env and DEBUG out of the tests."""
    if "parts" not in request.fixturenames:
        for name in ("DEBUG", "SECRET_KEY", "WEBHOOK_SECRET", "AUTH"):
            monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _logs_as_they_begin() -> Iterator[None]:
    """Configure no logs for the next test: a command writes them elsewhere where nobody did."""
    yield
    structlog.reset_defaults()  # whoever captures logs leaves them configured


__all__ = ["settings_from"]

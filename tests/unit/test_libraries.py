"""The libraries that were chosen do what the source documents ask, and are asked for."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
from collections.abc import Iterator

import pytest
from google.cloud import pubsub_v1
from packaging.utils import canonicalize_name

from orderbus.pubsub import channels
from orderbus.settings import load
from tests.unit.test_house_rules import ROOT, requirements

#: Which part of orderbus does a job, and with which name of which library.
JOBS = {
    "serving HTTP": ("orderbus/web", "aiohttp.web"),
    "sending webhooks": ("orderbus/egress", "aiohttp"),
    "PostgreSQL": ("orderbus/storage", "asyncpg"),
    "migrations": ("orderbus/storage/migrations.py", "yoyo"),
    "work in the background": ("orderbus/actors", "dramatiq"),
    "RabbitMQ": ("orderbus/rabbitmq", "pika"),
    "settings": ("orderbus/settings", "pydantic_settings"),
}
#: What did these jobs in the original programs.
REPLACED = {
    *("django", "djangorestframework", "fastapi", "sqlalchemy", "alembic", "celery"),
    *("psycopg2-binary", "aio-pika", "httpx", "python-dotenv", "black", "pytest-django"),
}
#: What is imported beside the library it always comes with, and types alone.
COMES_WITH = {"grpc": "google-cloud-pubsub", "pydantic_core": "pydantic"}


def imported(place: str) -> set[str]:
    """List the modules, and the names of modules, that a file or a folder of orderbus imports."""
    path = ROOT / place
    files = path.rglob("*.py") if path.is_dir() else [path]
    return {name for file in files for name in _imports(ast.parse(file.read_text()))}


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("job", JOBS)
def test_a_job_is_done_with_the_library_that_was_chosen_for_it(job: str) -> None:
    place, module = JOBS[job]

    assert module in imported(place)


def test_orders_go_to_pubsub_and_come_back_by_googles_own_clients() -> None:
    settings = load(_env_file=None, secret_key="k", pubsub_emulator_host="127.0.0.1:1")
    publisher, subscriber = channels.publisher(settings), channels.subscriber(settings)
    publisher.transport.close()
    subscriber.transport.close()

    assert isinstance(publisher, pubsub_v1.PublisherClient)
    assert isinstance(subscriber, pubsub_v1.SubscriberClient)


def test_what_orderbus_imports_is_what_setup_cfg_asks_for() -> None:
    owners = importlib.metadata.packages_distributions()
    ours = {"orderbus", "_typeshed", *sys.stdlib_module_names}
    tops = {name.partition(".")[0] for name in imported("orderbus")} - ours
    asked = {canonicalize_name(requirement.name) for requirement in requirements()}
    owned = {
        top: {canonicalize_name(owner) for owner in (COMES_WITH.get(top), *owners[top]) if owner}
        for top in tops
    }

    assert {top for top, packages in owned.items() if not packages & asked} == set()
    assert asked - set[str]().union(*owned.values()) == set()


def test_nothing_is_asked_for_that_was_to_be_replaced() -> None:
    asked = {
        canonicalize_name(requirement.name)
        for extra in (None, "build", "embedded", "dev")
        for requirement in requirements(extra)
    }

    assert asked & REPLACED == set()
    assert {"ruff", "pytest", "pytest-aiohttp"} <= asked


@pytest.mark.parametrize("extra", [None, "dev"])
def test_what_is_asked_for_is_installed_and_new_enough(extra: str | None) -> None:
    wrong = [
        str(requirement)
        for requirement in requirements(extra)
        if importlib.metadata.version(requirement.name) not in requirement.specifier
    ]

    assert wrong == []


def test_the_program_and_the_tests_over_http_alone_are_two_folders() -> None:
    folder = ROOT / "integration_tests"
    tops = {name.partition(".")[0] for name in imported("integration_tests")}

    assert [file.name for file in folder.glob("test_*.py")] != []
    assert tops - set(sys.stdlib_module_names) == {"integration_tests", "pytest"}
    assert "integration_tests" not in imported("orderbus")

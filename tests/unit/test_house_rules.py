"""Do the files around the code keep their promises?"""

from __future__ import annotations

import configparser
import importlib.resources
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-embedded.lock", "requirements-dev.lock")
#: What people who know the original program type.
TARGETS = (
    *("help", "setup", "up", "down", "logs", "db-logs", "pubsub-logs", "shell", "migrate"),
    *("createsuperuser", "runserver", "subscriber", "format", "lint", "lint-fix", "check"),
    *("test", "test-integration", "clean", "reset"),
    # of the cart and processing programs
    *("run", "start", "stop", "restart", "restart-web", "rebuild", "venv", "install"),
    *("logs-orders", "logs-processor", "integration-tests", "test-stop", "add-dependency"),
    *("install-orders", "install-processor", "migrate-orders", "migrate-processor"),
    # of the shop program, and what operators look for
    *(
        "seed",
        "run-docker",
        "freeze",
        "run-server",
        "create-superuser",
        "test-watch",
        "dlq-list",
        "dlq-replay",
    ),
)


def kept_files() -> list[Path]:
    """List every file that is in the repository, or would be with the next commit."""
    listed = subprocess.run(
        # The checkout may belong to somebody else: a container's root, for one.
        ["git", "-c", "safe.directory=*", "ls-files", "-coz", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def compose() -> dict[str, Any]:
    """Read docker-compose.yml."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


def requirements(extra: str | None = None) -> list[Requirement]:
    """Read what setup.cfg asks for, at run time or for ``extra``."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = (
        setup["options.extras_require"][extra] if extra else setup["options"]["install_requires"]
    )
    return [Requirement(line) for line in lines.split("\n") if line and not line.startswith("#")]


def locked(lock: str) -> dict[str, str]:
    """Read the version of each package in a lock file."""
    pins = re.findall(r"^([\w.-]+)(?:\[\S+\])?==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def test_no_kept_file_names_a_place_on_one_machine() -> None:
    place = re.compile(rb"(?<![\w.~$}/-])/(?:home|Users|root|work|farm|tmp)/[\w.]")
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in kept_files()
        if (match := place.search(path.read_bytes()))
    ]

    assert found == []


@pytest.mark.parametrize(
    "target", [*TARGETS, "demo", "services", "bench", "check-deploy", "schema"]
)
def test_make_knows_the_target_and_helps_with_it(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text()

    assert re.search(rf"^([a-z-]+ )*{target}( [a-z-]+)*:.* ## \S", makefile, re.MULTILINE)


def test_each_make_target_is_one_line() -> None:
    recipes = re.findall(r"(?:^\t.*\n)+", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert [recipe for recipe in recipes if recipe.count("\n") > 1] == []


def test_the_compose_file_follows_the_compose_specification() -> None:
    schemas = importlib.resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((schemas / "compose-spec.json").read_text())

    jsonschema.validate(compose(), schema)


def test_the_containers_have_the_names_that_people_know() -> None:
    services = compose()["services"]

    assert services["db"]["container_name"] == "orderbus-postgres"
    assert services["pubsub-emulator"]["container_name"] == "orderbus-pubsub"


@pytest.mark.parametrize(
    ("service", "name"), [("web", "service-orders"), ("workers", "service-processor")]
)
def test_a_container_answers_to_the_name_that_it_had_as_a_service(service: str, name: str) -> None:
    described = compose()["services"][service]

    assert described["networks"]["default"]["aliases"] == [name]


def test_the_web_server_takes_requests_under_the_names_that_other_containers_have_for_it() -> None:
    web = compose()["services"]["web"]
    names = ["web", *web["networks"]["default"]["aliases"]]

    assert set(names) <= set(web["environment"]["ALLOWED_HOSTS"].split(","))


def test_the_database_container_takes_its_credentials_from_the_settings() -> None:
    environment = compose()["services"]["db"]["environment"]

    assert environment == {
        "POSTGRES_DB": "${DB_NAME:-orderdb}",
        "POSTGRES_USER": "${DB_OWNER_USER:-${DB_USER:-postgres}}",
        "POSTGRES_PASSWORD": "${DB_OWNER_PASSWORD:-${DB_PASS:-postgres}}",
    }


def test_every_container_that_stays_shows_its_health() -> None:
    silent = {
        name for name, service in compose()["services"].items() if "healthcheck" not in service
    }

    assert silent == {"migrate"}


def test_containers_open_their_ports_to_this_machine_only() -> None:
    ports = [
        port for service in compose()["services"].values() for port in service.get("ports", [])
    ]

    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    used = re.findall(r"(?<!\$)\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text())
    offered = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert set(used) <= set(offered)


@pytest.mark.parametrize(
    ("extra", "lock"),
    [
        (None, LOCKS[0]),
        ("build", LOCKS[0]),
        (None, LOCKS[1]),
        ("build", LOCKS[1]),
        ("embedded", LOCKS[1]),
        (None, LOCKS[2]),
        ("build", LOCKS[2]),
        ("embedded", LOCKS[2]),
        ("dev", LOCKS[2]),
    ],
)
def test_the_lock_holds_what_setup_cfg_asks_for(extra: str | None, lock: str) -> None:
    versions = locked(lock)
    unmet = [
        str(requirement)
        for requirement in requirements(extra)
        if versions.get(canonicalize_name(requirement.name), "0") not in requirement.specifier
    ]

    assert unmet == []


def test_every_lock_holds_the_same_versions() -> None:
    assert locked(LOCKS[0]).items() <= locked(LOCKS[1]).items() <= locked(LOCKS[2]).items()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_proves_every_file_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    pins = re.split(r"^(?=[\w.-]+(?:\[\S+\])?==)", text, flags=re.MULTILINE)[1:]

    assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []
    assert "://" not in text


def test_every_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "decisions" / "dependencies.md").read_text().lower()
    wanted = {
        requirement.name.lower()
        for extra in (None, "build", "embedded", "dev")
        for requirement in requirements(extra)
    }

    assert {name for name in wanted if f"| {name} |" not in reasons} == set()

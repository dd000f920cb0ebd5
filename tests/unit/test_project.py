"""The project is set up as the source documents ask: its metadata, its tools and its logs."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Rules that a source document selects; ruff's ALL has them.
SELECTED = ("E", "W", "F", "I", "B", "C4", "UP")
LOGS = """
from orderbus import log_lines, settings, telemetry
log_lines.configure(settings.load(_env_file=None), process="test")
for level in ("debug", "info", "warning", "error"):
    getattr(telemetry.log, level)("said", order_id="SO-1")
"""


def configured(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / name)
    return parser


def test_the_package_has_the_version_and_the_python_that_were_asked_for() -> None:
    setup = configured("setup.cfg")

    assert (setup["metadata"]["name"], setup["metadata"]["version"]) == ("orderbus", "0.1.0")
    assert setup["metadata"]["description"]
    assert setup["options"]["python_requires"] == ">=3.11"
    assert "dev" in setup["options.extras_require"]


def test_the_linter_has_every_rule_and_the_line_that_were_asked_for() -> None:
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    lint = ruff["lint"]

    assert (ruff["line-length"], ruff["target-version"]) == (100, "py311")
    assert lint["select"] == ["ALL"]
    assert [rule for rule in lint["ignore"] if rule in SELECTED] == []


def test_tests_are_found_and_marked_as_was_asked_for() -> None:
    pytest_ini = configured("tox.ini")["pytest"]

    assert pytest_ini["python_files"].split() == ["test_*.py", "*_test.py"]
    assert pytest_ini["testpaths"].split() == ["tests"]
    assert "\nintegration: " in pytest_ini["markers"]


@pytest.mark.parametrize(
    ("level", "said"), [("INFO", ["info", "warning", "error"]), ("error", ["error"])]
)
def test_logs_are_json_lines_from_the_level_on_that_is_set(level: str, said: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LOGS],
        env={"LOG_LEVEL": level, "SECRET_KEY": "a key for tests", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )

    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert [line["level"] for line in lines] == said
    assert {(line["event"], line["order_id"], line["process"]) for line in lines} == {
        ("said", "SO-1", "test")
    }


def shown(page: str) -> list[str]:
    """List what a page shows to be typed, without what it says about it."""
    lines = re.findall(r"^\$ (.*)$", (ROOT / page).read_text(), re.MULTILINE)
    return [line.partition(" #")[0].strip() for line in lines]


def test_the_first_steps_of_the_readme_lead_from_a_clone_to_the_setup(tmp_path: Path) -> None:
    steps = shown("README.md")
    clone, enter, make = steps[steps.index("git clone URL orderbus") :][:3]
    (tmp_path / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")  # it may be another user's
    ran = subprocess.run(
        ["sh", "-ec", f"{clone.replace('URL', '$URL')}\n{enter}\n{make} --dry-run"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
        | {"URL": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "orderbus" / "run_web.py").exists()
    assert "scripts/install requirements-dev.lock" in ran.stdout


def test_the_emulator_is_the_same_by_docker_and_by_gcloud() -> None:
    (typed,) = (line for line in shown("README.md") if line.startswith("gcloud "))
    by_docker = (ROOT / "docker-compose.yml").read_text()
    example = (ROOT / ".env.example").read_text()
    host = re.findall(r"^PUBSUB_EMULATOR_HOST=(.*)$", example, re.MULTILINE)
    project = re.findall(r"^PUBSUB_PROJECT_ID=(.*)$", example, re.MULTILINE)

    assert "make emulator" in shown("README.md")
    assert typed == (
        f"gcloud beta emulators pubsub start --host-port={host[0]} --project={project[0]}"
    )
    assert re.findall(r"command: (gcloud .*)$", by_docker, re.MULTILINE) == [
        "gcloud beta emulators pubsub start --host-port=0.0.0.0:8085"
        f" --project=${{PUBSUB_PROJECT_ID:-{project[0]}}}"
    ]


def services(folder: Path, *, docker: bool) -> subprocess.CompletedProcess[str]:
    """Type ``make services`` on a machine without any part, with or without Docker."""
    tools = folder / "tools"
    tools.mkdir()
    for tool in ("make", "sh", "dirname", "readlink"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    (tools / "docker").write_text("#!/bin/sh\n" + ("echo Docker 28" if docker else "exit 1"))
    (tools / "docker").chmod(0o755)
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "scripts").mkdir()
    script = (ROOT / "scripts" / "install-services").read_text()
    # Where it looks beside PATH: this machine may have a part there.
    script = re.sub(r"(?<=[ :])/(usr|opt)/", "/nowhere/", script)
    (folder / "scripts" / "install-services").write_text(script)
    (folder / "scripts" / "install-services").chmod(0o755)
    return subprocess.run(
        ["make", "services"],
        cwd=folder,
        env={"PATH": str(tools), "HOME": str(folder)},
        check=False,
        capture_output=True,
        text=True,
    )


def test_what_is_missing_is_said_with_what_to_do_about_it(tmp_path: Path) -> None:
    said = services(tmp_path, docker=False)

    assert said.returncode != 0
    advice = re.findall(
        r"^(.*): missing\. Install .* [Ss]tart Docker\.$", said.stderr, re.MULTILINE
    )
    assert advice == ["RabbitMQ", "PostgreSQL", "Pub/Sub emulator"]


def test_docker_is_enough_for_every_part(tmp_path: Path) -> None:
    said = services(tmp_path, docker=True)

    assert said.returncode == 0, said.stderr
    assert said.stderr.splitlines() == [
        f"{part}: Docker 28" for part in ("RabbitMQ", "PostgreSQL", "Pub/Sub emulator")
    ]

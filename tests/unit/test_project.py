"""The project is set up as the source documents ask: its metadata, its tools and its logs."""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Rules that a source document selects; ruff's ALL has them.
SELECTED = ("E", "W", "F", "I", "B", "C4", "UP")
LOGS = """
from orderbus import settings, telemetry
telemetry.configure_logging(settings.load(_env_file=None), process="test")
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

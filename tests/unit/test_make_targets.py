"""What the targets about tools and checks do, each typed once in a checkout of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import until
from tests.unit.test_house_rules import TARGETS

ROOT = Path(__file__).parents[2]
BIN = f"BIN={Path(sys.executable).parent}"
UNTIDY = "import os\nimport sys\n\n\ndef second():\n    print( sys.path)\n"
#: Nanoseconds: two files that are written within one tick of the system's clock have one time.
NEWER = 10**9
#: Stands in for what installs packages: notes how it was called, and installs nothing.
NOTES = '#!/bin/sh\necho "{} $*" >>"{}"\n{}\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with what make needs, in which nothing is installed."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", checkout / "scripts")
    locks = ("requirements-embedded.lock", "requirements-dev.lock")
    for name in ("Makefile", "setup.cfg", "pyproject.toml", "tox.ini", *locks):
        shutil.copy(ROOT / name, checkout)
    return checkout


def make(checkout: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Type it to its end."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=checkout,
        env={**ours, **env},
        check=False,
        capture_output=True,
        text=True,
    )


def installed(*words: str) -> list[str]:
    """Take what is installed already as it is."""
    return ["-o", "venv", "-o", "install", "-o", "parts", BIN, *words]


def noted(checkout: Path, script: str, *, then: str = ":") -> Path:
    """Have a program only note how it was called, and do something small."""
    notes, program = checkout / "notes", checkout / script
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(NOTES.format(program.name, notes, then))
    program.chmod(0o755)
    return notes


# -- help --------------------------------------------------------------------------------------


def test_help_lists_every_target_with_what_it_does(checkout: Path) -> None:
    said = make(checkout, "help").stdout
    listed = {
        name: sentence
        for line in said.splitlines()
        if line.startswith("  ")
        for name, sentence in [(name, line[20:]) for name in line[2:20].split()]
    }

    assert set(TARGETS) - {word for line in said.splitlines() for word in line.split()} == set()
    assert [name for name, sentence in listed.items() if not sentence.strip()] == []
    assert make(checkout).stdout == said


# -- environments --------------------------------------------------------------------------------


def test_an_environment_is_made_of_what_runs_and_a_developers_of_the_tools_too(
    checkout: Path,
) -> None:
    notes = noted(checkout, "scripts/install")
    (checkout / ".venv").mkdir()

    make(checkout, "venv")
    assert notes.read_text().split() == ["install", "requirements-embedded.lock"]
    make(checkout, "venv")
    make(checkout, "install")
    make(checkout, "install-orders")
    make(checkout, "install-processor")

    assert notes.read_text().splitlines() == [
        "install requirements-embedded.lock",
        "install requirements-dev.lock",
    ]
    later = (checkout / ".venv" / ".installed-dev").stat().st_mtime_ns + NEWER
    os.utime(checkout / "setup.cfg", ns=(later, later))
    make(checkout, "install-orders")
    assert len(notes.read_text().splitlines()) == 4


def test_what_make_installs_is_there_to_be_run(checkout: Path) -> None:
    """By the real script; what it would download is left out, and comes from this environment."""
    for lock in checkout.glob("*.lock"):
        lock.write_text("")
    (checkout / "README.md").write_text("# orderbus\n")
    (checkout / "orderbus").mkdir()
    (checkout / "orderbus" / "__init__.py").write_text("HERE = 'the checkout'\n")
    here = {"PYTHON": sys.executable, "PYTHONPATH": _packages(), "PIP_NO_INDEX": "1"}

    made = make(checkout, "install", **here)

    assert made.returncode == 0, made.stderr
    say = [".venv/bin/python", "-c", "import orderbus; print(orderbus.HERE)"]
    elsewhere = {"PATH": os.environ["PATH"]}
    ran = subprocess.run(say, cwd=checkout, env=elsewhere, capture_output=True, check=True)
    assert ran.stdout == b"the checkout\n"
    assert (checkout / ".venv" / "bin" / "orderbus").exists()


def _packages() -> str:
    """Say where this environment has what installs orderbus."""
    found = importlib.util.find_spec("setuptools")
    assert found is not None
    return str(Path(str(found.origin)).parents[1])


# -- dependencies --------------------------------------------------------------------------------


def test_a_dependency_is_put_in_its_place_and_locked_and_installed(checkout: Path) -> None:
    notes = noted(checkout, "scripts/install")
    newer = "until [ requirements-dev.lock -nt .venv/.installed-dev ]"
    noted(checkout, "bin/tox", then=f"{newer}; do touch requirements-*.lock; done")
    python = checkout / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')  # a link would be no venv's
    python.chmod(0o755)
    (checkout / ".venv").mkdir()

    added = make(checkout, "-o", "install", "add-dependency", "dep=httpx>=1", "BIN=bin")
    again = make(checkout, "-o", "install", "add-dependency", "dep=HTTPX", "BIN=bin")
    wrong = make(checkout, "-o", "install", "add-dependency", "dep=one two", "BIN=bin")

    assert added.returncode == 0, added.stderr
    listed = (checkout / "setup.cfg").read_text().partition("install_requires =\n")[2]
    names = listed.partition("\n\n")[0].splitlines()
    assert "    httpx>=1" in names
    assert names == sorted(names, key=str.lower)
    done = notes.read_text().splitlines()
    assert done[-1] == "install requirements-dev.lock"
    assert "tox run -e lock --" in done
    assert (again.returncode, wrong.returncode) == (2, 2)
    assert "HTTPX is there already" in again.stderr
    assert "is no requirement" in wrong.stderr


def test_the_lock_files_are_written_by_tox_which_is_given_what_was_asked(checkout: Path) -> None:
    notes = noted(checkout, "bin/tox")

    make(checkout, "-o", "install", "lock", "BIN=bin", "ARGS=--upgrade")
    make(checkout, "-o", "install", "check", "BIN=bin")

    assert notes.read_text().splitlines() == [
        "tox run -e lock -- --upgrade",
        "tox run -e lint,types",
    ]


# -- checks --------------------------------------------------------------------------------------


def test_code_is_formatted_and_linted_and_mended(checkout: Path) -> None:
    shutil.rmtree(checkout / "scripts")
    code = checkout / "untidy.py"
    code.write_text(UNTIDY)
    rules = checkout / "pyproject.toml"
    rules.write_text(rules.read_text().replace('select = ["ALL"]', 'select = ["F"]'))

    assert make(checkout, *installed("format")).returncode == 0
    assert "print(sys.path)" in code.read_text()
    found = make(checkout, *installed("lint"))
    assert (found.returncode, "F401" in found.stdout) == (2, True)
    assert make(checkout, *installed("lint-fix")).returncode == 0
    assert "import os" not in code.read_text()
    assert make(checkout, *installed("lint")).returncode == 0


@pytest.mark.parametrize(
    ("target", "folders"),
    [
        ("integration-tests", ["integration_tests"]),
        ("test-long", ["tests/long", "tests/end_to_end"]),
    ],
)
def test_a_floor_runs_the_tests_of_its_folders(
    checkout: Path, target: str, folders: list[str]
) -> None:
    for floor in ("unit", "integration", "fuzz", "end_to_end", "long"):
        (checkout / "tests" / floor).mkdir(parents=True)
    (checkout / "integration_tests").mkdir()
    (checkout / "tests" / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--fuzz')\n"
    )
    for folder in folders:
        mark = "@pytest.mark.long\n" if folder.endswith("end_to_end") else ""
        (checkout / folder / "test_it.py").write_text(
            f"import pytest\n{mark}def test_it():\n    assert 1\n"
        )
    (checkout / "orderbus").mkdir()

    ran = make(checkout, *installed(target, "ARGS=-q -n 0"), CI="")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("1 passed") == len(folders)


def test_unit_tests_run_again_when_a_file_changes(checkout: Path) -> None:
    test = checkout / "tests" / "unit" / "test_it.py"
    test.parent.mkdir(parents=True)
    test.write_text("def test_it():\n    assert 1\n")
    log = checkout / "log"
    with log.open("w") as output:
        watching = subprocess.Popen(
            ["make", *installed("test-watch", "WATCH=setup.cfg")],
            cwd=checkout,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        until(lambda: "1 passed" in log.read_text(), "the tests ran")
        test.write_text("def test_it():\n    assert not 'this time'\n")
        until(lambda: "1 failed" in log.read_text(), "they ran again")
    finally:
        os.killpg(watching.pid, signal.SIGTERM)
        watching.wait()

    assert "test_it.py changed: starting anew" in log.read_text()


@pytest.mark.parametrize("target", ["bench", "bench-long"])
def test_the_measurements_say_what_can_be_measured(target: str) -> None:
    """What it measures takes minutes: the quickest of it is in ``tests/long``."""
    said = make(ROOT, *installed(target, "ARGS=--help"))

    assert said.returncode == 0, said.stderr
    assert "sustained" in said.stdout

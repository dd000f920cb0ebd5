"""A wheel carries what orderbus needs to run, and finds it where it was put."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support import wheels
from tests.support.migration_files import NAMES
from tests.support.wheels import ROOT

#: Imports the orderbus of a folder, and says which files it would use.
ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
import orderbus.devtools.stack, orderbus.commands.demo
from orderbus import files
from orderbus.storage import migrations
names = ("examples/order.json", "examples/receive_webhooks.py")
used = [migrations.FOLDER, *(files.path_of(name) for name in names)]
print(json.dumps([[str(path) for path in used], [each.id for each in migrations._all()]]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel made from a source archive: what is in neither of them is missing."""
    folder = tmp_path_factory.mktemp("wheel")
    archive = wheels.archive(wheels.sources(folder), folder)
    return wheels.wheel(archive, folder)


def ask(folder: Path, cwd: Path) -> tuple[list[Path], list[str]]:
    said = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", ASK, str(folder)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    paths, migrations = json.loads(said.stdout)
    return [Path(path) for path in paths], migrations


def test_a_wheel_carries_what_the_checkout_has(wheel: Path) -> None:
    carried = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "orderbus").rglob("*.py")}
    beside = {
        f"orderbus/shipped/{path.relative_to(ROOT)}"
        for pattern in ("migrations/*.sql", "examples/*.*")
        for path in ROOT.glob(pattern)
    }

    viewer = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "orderbus" / "web" / "static").rglob("*")
        if path.is_file()
    }

    assert len(beside) > 20
    assert len(viewer) > 5
    assert (modules | beside | viewer) - carried == set()


def test_an_unpacked_wheel_uses_its_own_files(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)

    used, migrations = ask(installed, tmp_path)

    assert [path for path in used if not path.is_relative_to(installed)] == []
    assert [path for path in used if not path.exists()] == []
    assert migrations == NAMES


def test_a_checkout_uses_what_lies_beside_the_package(tmp_path: Path) -> None:
    used, migrations = ask(ROOT, tmp_path)

    assert [path for path in used if path.parent not in {ROOT, ROOT / "examples"}] == []
    assert [path for path in used if not path.exists()] == []
    assert migrations == NAMES


def test_what_an_earlier_build_left_is_in_no_wheel(tmp_path: Path) -> None:
    sources = wheels.sources(tmp_path)
    left = sources / "build" / "lib" / "orderbus" / "shipped" / "migrations" / "0001.gone.sql"
    left.parent.mkdir(parents=True)
    left.write_text("SELECT 1;")

    built = wheels.wheel(sources, tmp_path)

    assert [name for name in zipfile.ZipFile(built).namelist() if "gone" in name] == []

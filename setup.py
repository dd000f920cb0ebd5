"""Puts what lies beside the package into wheels and source archives; the rest is in setup.cfg."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

#: Copied to orderbus/shipped, where orderbus/files.py looks for them.
SHIPPED = ("migrations/*.sql", "examples/*.*")


class BuildPy(build_py):
    """Builds the package, with a copy of what it needs and what is no module of it."""

    def run(self) -> None:
        """Copy anew every time: what an earlier build left may be no migration any more."""
        super().run()
        if self.editable_mode:
            return
        shipped = Path(self.build_lib) / "orderbus" / "shipped"
        shutil.rmtree(shipped, ignore_errors=True)
        for source in _sources():
            target = shipped / source
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def get_source_files(self) -> list[str]:
        """Name what a source archive has to hold, so that a wheel can be built from it."""
        return [*super().get_source_files(), *_sources()]


def _sources() -> list[str]:
    return sorted(str(path) for pattern in SHIPPED for path in Path().glob(pattern))


setup(cmdclass={"build_py": BuildPy})

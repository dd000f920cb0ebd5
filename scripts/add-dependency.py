"""Adds a dependency to setup.cfg and the lock files: ``make add-dependency dep=NAME``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

ROOT = Path(__file__).resolve().parents[1]
SETUP = ROOT / "setup.cfg"
BEGIN = "install_requires =\n"


def main(asked: str) -> int:
    """Add it in its place of the alphabet; returns an exit code."""
    try:
        requirement = Requirement(asked)
    except InvalidRequirement as error:
        sys.stderr.write(f"{asked!r} is no requirement ({error}): make add-dependency dep=NAME\n")
        return 2
    text = SETUP.read_text()
    before, _, after = text.partition(BEGIN)
    listed, _, rest = after.partition("\n\n")
    lines = listed.splitlines()
    names = {Requirement(line.strip()).name.lower() for line in lines}
    if requirement.name.lower() in names:
        sys.stderr.write(f"{requirement.name} is there already\n")
        return 1
    lines = sorted([*lines, f"    {requirement}"], key=str.lower)
    SETUP.write_text(before + BEGIN + "\n".join(lines) + "\n\n" + rest)
    sys.stderr.write("now give its reason in docs/decisions/dependencies.md\n")
    for target in ("lock", "install"):  # in turn: the second looks at the files of the first
        subprocess.run(["make", target], cwd=ROOT, check=True)  # noqa: S603, S607 - the make that called us
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Migrations are one line: each depends on the one before, so there is one way up and down."""

from __future__ import annotations

import re
from itertools import pairwise

from orderbus.storage import migrations
from tests.support.migration_files import NAMES


def test_each_migration_depends_on_the_one_before_it() -> None:
    wanted = {
        name: re.findall(
            r"^-- depends: (.+)$", (migrations.FOLDER / f"{name}.sql").read_text(), re.MULTILINE
        )
        for name in NAMES
    }

    assert wanted[NAMES[0]] == []
    assert [
        (name, wanted[name]) for before, name in pairwise(NAMES) if wanted[name] != [before]
    ] == []

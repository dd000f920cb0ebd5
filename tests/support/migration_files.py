"""Which migrations there are, by the files of this checkout."""

from __future__ import annotations

from typing import Final

from orderbus.storage import migrations

#: Oldest first.
NAMES: Final = sorted(
    path.name.removesuffix(".sql")
    for path in migrations.FOLDER.glob("[0-9]*.sql")
    if not path.name.endswith(".rollback.sql")
)

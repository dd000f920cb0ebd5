"""Which migrations there are, by the files of this checkout."""

from __future__ import annotations

from typing import Final

from orderbus.settings import Settings
from orderbus.storage import migrations

#: Oldest first.
NAMES: Final = sorted(
    path.name.removesuffix(".sql")
    for path in migrations.FOLDER.glob("[0-9]*.sql")
    if not path.name.endswith(".rollback.sql")
)

#: A migration of a test's own, and its rollback.
MAKES_A_TABLE: Final = "CREATE TABLE ops.extra (x integer);"
DROPS_THAT_TABLE: Final = "DROP TABLE ops.extra;"
#: What is wrong as its rollback.
CHANGES_WHAT_IS_NOT_THERE: Final = "ALTER TABLE ops.none DROP COLUMN x;"
RENAMES_THAT_TABLE: Final = "ALTER TABLE ops.extra RENAME TO rest;"


def go_back(settings: Settings, newest: int) -> None:
    """Undo the newest migrations, agreeing to what goes with them."""
    foreseen = migrations.rollback(settings, newest=newest, agreed=None)
    migrations.rollback(settings, newest=newest, agreed=foreseen.losses)

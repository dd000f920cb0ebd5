"""Where the files lie that orderbus needs and that are no modules of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent
#: The variable that lets a child import this orderbus, wherever it starts.
IMPORTABLE: Final = {
    "PYTHONPATH": os.pathsep.join(
        filter(None, (str(_PACKAGE.parent), os.environ.get("PYTHONPATH")))
    )
}


def path_of(name: str) -> Path:
    """Find ``migrations`` or ``examples``: beside the package, or inside it in a wheel."""
    shipped = _PACKAGE / "shipped"
    return (shipped if shipped.is_dir() else _PACKAGE.parent) / name

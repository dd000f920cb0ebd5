"""Where the files lie that orderbus needs and that are no modules of it."""

from __future__ import annotations

import os
import re
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


def default_data() -> Path:
    """Name the ignored folder that keeps the data of local runs."""
    return Path(os.environ.get("ORDERBUS_DATA", ".orderbus"))


def settings_of_up() -> Path | None:
    """Find the settings of the ``orderbus up`` that runs in this folder, unless they are set."""
    file = default_data() / "up" / "env"
    try:
        text = file.read_text()
    except OSError:  # none runs here, or it is somebody else's
        return None
    place = re.search("^export DB_PORT=(.*)$", text, re.MULTILINE)
    return None if place and place[1] == os.environ.get("DB_PORT") else file

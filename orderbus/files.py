"""Where the files lie that orderbus needs and that are no modules of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: What children have to find on their path to import this orderbus.
IMPORTED_FROM: Final = Path(__file__).resolve().parents[1]
#: Where the build puts them (``setup.py``); a checkout and the image have none of it.
_SHIPPED: Final = Path(__file__).resolve().parent / "shipped"


def path_of(name: str) -> Path:
    """Find ``migrations``, ``examples``, ``run_web.py`` or ``run_actors.py``.

    They lie inside the package where a wheel was installed, and beside it in a checkout.
    """
    return (_SHIPPED if _SHIPPED.is_dir() else IMPORTED_FROM) / name

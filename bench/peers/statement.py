"""The plainest insert of an order, its items and its event, in one statement."""

from __future__ import annotations

from pathlib import Path

PLACE = Path(__file__).with_name("place.sql").read_text()

"""The page about the logs names every line there is, and its fields."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def written() -> dict[str, set[str]]:
    """Find every log event in the code, with the fields that its calls name."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "orderbus").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and writes(node.func) and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    fields = {word.arg for word in node.keywords if word.arg}
                    found.setdefault(name.value, set()).update(fields - {"exc_info"})
    return found


def written_at(levels: set[str]) -> set[str]:
    """Find every log event that the code writes at one of some levels."""
    return {
        name.value
        for path in (ROOT / "orderbus").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and writes(node.func) and node.args
        if isinstance(name := node.args[0], ast.Constant) and isinstance(name.value, str)
        if level_of(node.func) in levels
    }


def level_of(called: ast.expr) -> str:
    """Name the level; ``end_broken`` writes at critical."""
    return (
        called.attr if isinstance(called, ast.Attribute) and called.attr in LEVELS else "critical"
    )


def writes(called: ast.expr) -> bool:
    """Whether this is ``log.info``, ``telemetry.log.info`` or the like, or ``end_broken``."""
    if not isinstance(called, ast.Attribute):
        return isinstance(called, ast.Name) and called.id == "end_broken"
    owner = called.value
    is_log = isinstance(owner, ast.Name | ast.Attribute) and ast.unparse(owner).endswith("log")
    return (is_log and called.attr in LEVELS) or called.attr == "end_broken"


def described() -> dict[str, str]:
    """Read each row of the page, by the event in its first cell."""
    _, text = (ROOT / "docs" / "logs.md").read_text().split("## Requests")
    return dict(re.findall(r"^\| `([a-z_]+)` \|(.*)\|$", text, re.MULTILINE))


def test_the_page_lists_every_log_event_and_no_other() -> None:
    events, rows = set(written()), set(described())

    assert {"event_published", "webhook_delivered", "threads_lost"} <= events
    assert events - rows == set(), "docs/logs.md does not list these"
    assert rows - events == set(), "nothing writes these any more"


def test_the_page_lists_the_fields_of_every_log_event() -> None:
    rows = described()

    missing = {
        (event, field)
        for event, fields in written().items()
        for field in fields
        if f"`{field}`" not in rows.get(event, "")
    }

    assert missing == set(), "docs/logs.md does not list these fields"

"""Do the two rooms behind every door stay readable by somebody who knows one of them?"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import orderbus

ROOM = Path(orderbus.__file__).parent
#: Services that keep no rows of their own.
WITHOUT_ROWS = {
    "attempts",
    "built_in_endpoint",
    "delivery_jobs",
    "endpoint_tests",
    "health",
    "interruptions",
    "kinds",
    "letter_jobs",
    "pacing",
    "passwords",
    "product_cache",
    "reads",
    "seeds",
    "shared",
    "stock_imports",
    "taking",
}
#: What names none of its values. ``tuple[T, ...]`` is a sequence of one kind, and has no names.
NAMELESS = re.compile(r"\b(dict|Mapping)\[str, Any\]|\bRecord\b|\btuple\[(?!\w+, \.\.\.\])")
#: Functions that return JSON as it is answered or stored.
JSON = {
    "services.health.body",
    "services.orders.content_of",
}


def subjects(room: str) -> set[str]:
    """Name the modules of a room."""
    return {path.stem for path in (ROOM / room).glob("*.py")} - {"__init__"}


def public_functions(room: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Find each public function of a room, with its name in the package."""
    for path in sorted((ROOM / room).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                yield f"{room}.{path.stem}.{node.name}", node


def test_a_subject_has_the_same_file_name_in_services_and_in_storage() -> None:
    assert subjects("services") - subjects("storage") <= WITHOUT_ROWS


def test_what_storage_and_services_return_has_names() -> None:
    nameless = {
        name: returned
        for room in ("storage", "services")
        for name, function in public_functions(room)
        if function.returns and NAMELESS.search(returned := ast.unparse(function.returns))
    }

    assert {name: nameless[name] for name in nameless if name not in JSON} == {}


#: The columns of an order's ids, and what a statement may call each.
ID_NAMES = {
    "external_ref": {"external_ref"},
    "public_id": {"order_id", "order_public_id"},
    "order_public_id": {"order_id"},
    "order_id": {"order_pk"},
}
#: Which columns may get these names; ``id`` is the row's number of any table.
ID_SOURCES = {
    "external_ref": {"external_ref"},
    "order_id": {"public_id", "order_public_id"},
    "order_pk": {"order_id", "id"},
}


def test_no_statement_gives_an_id_the_name_of_another() -> None:
    """Otherwise ``order_id`` is the sender's text here, a uuid there and a number elsewhere."""
    renamed = re.compile(r"\b(\w+) AS (\w+)")
    wrong = [
        f"{path.name}: {column} AS {name}"
        for path in sorted((ROOM / "storage").glob("*.py"))
        for column, name in renamed.findall(path.read_text())
        if name not in ID_NAMES.get(column, {name}) or column not in ID_SOURCES.get(name, {column})
    ]

    assert wrong == []

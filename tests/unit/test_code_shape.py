"""The code stays in pieces that a reader can hold; tests reach inside by named helpers alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.unit.test_house_rules import ROOT, kept_files

FILE: Final = 300
FUNCTION: Final = 60
SQL_ON_A_TABLE: Final = re.compile(
    r"\b(?:FROM|INTO|UPDATE|JOIN|TABLE|ONLY|TRUNCATE|ANALYZE)\s+(?:identity|ops|orders)\.[a-z_]+"
)
PRIVATE: Final = re.compile(r"_[A-Za-z]\w*")


def modules() -> dict[str, Path]:
    paths = [path for path in kept_files() if path.suffix == ".py"]
    return {path.relative_to(ROOT).as_posix(): path for path in paths}


def parsed_tests() -> dict[str, ast.Module]:
    """Parse the tests, without what they share."""
    return {
        name: ast.parse(path.read_text())
        for name, path in modules().items()
        if name.startswith(("tests/", "integration_tests/"))
        and not name.startswith("tests/support/")
    }


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def names_a_table(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and SQL_ON_A_TABLE.search(node.value)
        for node in ast.walk(tree)
    )


def uses_private_names(tree: ast.Module) -> bool:
    return any(_is_private(node) for node in ast.walk(tree))


def _is_private(node: ast.AST) -> bool:
    """Say whether it is ``other._name``, an import of one, or ``setattr(other, "_name", ...)``."""
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            return False
        case ast.Attribute(attr=name):
            return bool(PRIVATE.fullmatch(name))
        case ast.ImportFrom(names=names):
            return any(PRIVATE.fullmatch(each.name) for each in names)
        case ast.Call(
            func=ast.Attribute(attr="setattr"), args=[_, ast.Constant(value=str(name)), *_]
        ):
            return bool(PRIVATE.fullmatch(name))
    return False


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    found = {name for name, path in modules().items() if len(path.read_text().splitlines()) > FILE}

    assert found == set()


def test_no_function_is_longer_than_a_page() -> None:
    found = {
        f"{name}::{function}"
        for name, path in modules().items()
        for function, lines in functions(ast.parse(path.read_text()))
        if lines > FUNCTION
    }

    assert found == set()


def test_only_named_helpers_reach_into_tables() -> None:
    found = {name for name, tree in parsed_tests().items() if names_a_table(tree)}

    assert found == set()


def test_only_named_helpers_reach_for_private_names() -> None:
    found = {name for name, tree in parsed_tests().items() if uses_private_names(tree)}

    assert found == set()


def test_the_rules_see_what_they_forbid() -> None:
    table = "ops" + ".outbox"
    assert names_a_table(ast.parse(f'value("SELECT 1 FROM {table}")'))
    assert not names_a_table(ast.parse('endpoint(events=["orders.created"])'))
    private = ("a._b", "from a import _b", 'monkeypatch.setattr(a, "_b", 1)')
    assert all(uses_private_names(ast.parse(line)) for line in private)
    assert not uses_private_names(ast.parse("self._b; a.__class__"))


def short_waits(tree: ast.Module) -> list[int]:
    """List the lines that give something a number of seconds to happen, without saying why."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "asyncio.timeout"
        and isinstance(node.args[0], ast.Constant)
    ]


def test_waits_of_tests_have_one_patience() -> None:
    assert short_waits(ast.parse("asyncio.timeout(5)")) == [1]
    found = {name: lines for name, tree in parsed_tests().items() if (lines := short_waits(tree))}

    # This one is about what happens before a minute is over.
    assert found.keys() == {"tests/integration/test_consumers_at_work.py"}

"""Finds which function of ``orderbus.storage`` sends a statement, by how the statement begins."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache

from bench.parts import ROOT

_STORAGE = ROOT / "orderbus" / "storage"
#: So much of a statement tells it from others; a constant in it ends what can be compared.
_BEGINNING = 300
#: Shorter than that, a beginning may be anybody's.
_LEAST = 12
_KEYWORD = re.compile(r"[A-Z]{2,} ")
_CONSTANT = re.compile(r"\$[0-9]+|'[^']*'|\b[0-9]+\b")


def of(query: str) -> str:
    """Name the function, ``file.function``; where none is found, the statement's beginning."""
    wanted = _comparable(query)
    best = max(
        (known for known in _beginnings() if wanted.startswith(known)), key=len, default=None
    )
    return f"`{_beginnings()[best]}`" if best else f"`{wanted[:60].replace('|', '')}`"


def _comparable(query: str) -> str:
    """Write constants alike, since PostgreSQL counts statements without theirs."""
    return " ".join(_CONSTANT.sub("?", query).split())[:_BEGINNING]


@cache
def _beginnings() -> dict[str, str]:
    return {
        beginning: f"{path.stem}.{name}"
        for path in sorted(_STORAGE.glob("*.py"))
        for name, text in _texts(ast.parse(path.read_text()))
        if len(beginning := _comparable(text)) >= _LEAST and _KEYWORD.match(beginning)
    }


def _texts(module: ast.Module) -> Iterator[tuple[str, str]]:
    """List the beginnings of texts by the function that holds them, or uses their name."""
    constants = {
        target.id: statement.value
        for statement in module.body
        if isinstance(statement, ast.AnnAssign) and statement.value is not None
        for target in [statement.target]
        if isinstance(target, ast.Name)
    }
    for function in module.body:
        if not isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if text := _beginning(node, constants):
                yield function.name, text


def _beginning(node: ast.AST | None, constants: Mapping[str, ast.AST]) -> str:
    """Read a text, with the module's own texts in it, up to where something else is put in."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return _beginning(constants.get(name), constants)
        case ast.JoinedStr(values=values):
            read = ""
            for each in values:
                inner = each.value if isinstance(each, ast.FormattedValue) else each
                if not (more := _beginning(inner, constants)):
                    break
                read += more
            return read
    return ""

"""What senders wrote is shown as it is: it steers no terminal, and no id is ever cut."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from orderbus.commands import findings, terminal
from orderbus.commands.findings import Finding, Verdict
from orderbus.devtools.processes import Process
from orderbus.domain.text import printable
from tests.unit.test_house_rules import ROOT

ID = "6f2a7c1e-0000-4000-8000-00000000000e"
HOSTILE = {
    "colour": "\x1b[31mred",
    "a title": "\x1b]0;owned\x07",
    "a C1 introducer": "\x9b31m",
    "clear": "\x1bc",
    "back": "ok\b\bno\r",
    "lines": "one\ntwo\u2028three\x85four\x0bfive",
    "an override": "\u202egnp.exe",
    "isolates": "\u2066\u2067\u2068\u2069\u200f\u061c",
    "what nobody sees": "a\u200b\ufeff\u00adb",
    "NUL": "\0",
    "DEL": "\x7f",
    "half a pair": "\ud800",
    "tags": "\U000e0041",
}
MARKUP = ("[red]x[/red]", r"\[red]x", "[/]", ":warning:", "[link=http://x]y[/link]", "a\\")


def row(text: str) -> dict[str, Any]:
    return {"id": ID, "delivery_id": 7, "name": text, "error": f"it said {text} and more " * 9}


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A terminal of a width; what stands on it is read from the file."""

    def of(width: int) -> io.StringIO:
        shown = io.StringIO()
        monkeypatch.setattr(
            terminal,
            "console",
            Console(file=shown, width=width, force_terminal=True, color_system=None, emoji=False),
        )
        monkeypatch.setattr(sys, "stdout", shown)
        return shown

    return of


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("width", [None, 40, 80, 300])
def test_no_table_lets_a_text_steer_the_terminal(
    name: str, width: int | None, wide: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = wide(width) if width else None

    terminal.show_rows([row(HOSTILE[name])], as_json=False, empty="")

    said = shown.getvalue() if shown else capsys.readouterr().out
    assert all(char.isprintable() or char == "\n" for char in said)
    assert "\\" in said


@pytest.mark.parametrize("text", [*HOSTILE.values(), *MARKUP])
def test_no_line_lets_a_text_steer_the_terminal(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.say(f"name: {text}")
    findings.report([Finding(Verdict.OK, "name", f"it said {text}", f"do {text}")], as_json=False)
    with pytest.raises(SystemExit):
        terminal.fail(f"no {text}", code=1)

    out, err = capsys.readouterr()
    assert all(char.isprintable() or char == "\n" for char in out + err)
    if text in MARKUP:
        assert out.startswith(f"name: {text}\n")
        assert f"no {text}\n" in err


@pytest.mark.parametrize("name", HOSTILE)
def test_json_stays_json_and_holds_the_very_text(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{HOSTILE[name]: HOSTILE[name], "größe": "ö 李 🛒"}]

    terminal.show_rows(rows, as_json=True, empty="")

    (line,) = capsys.readouterr().out.splitlines()
    assert line.isprintable()
    assert json.loads(line) == rows
    assert "ö 李 🛒" in line


@pytest.mark.parametrize("text", MARKUP)
@pytest.mark.parametrize("width", [None, 300])
def test_markup_in_a_text_is_text(
    text: str, width: int | None, wide: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = wide(width) if width else None

    terminal.show_rows([{"id": 1, "name": text, "end": "."}], as_json=False, empty="")

    said = shown.getvalue() if shown else capsys.readouterr().out
    assert text in said


@pytest.mark.parametrize("width", [10, 20, 39, 40, 60, 80, 100, 120, 200])
def test_an_id_is_whole_on_one_line_however_narrow_the_terminal(width: int, wide: Any) -> None:
    shown = wide(width)
    rows = [{**row("x" * 300), "event_id": ID, "message_id": "1" * 17, "reason": "r", "kind": "k"}]

    terminal.show_rows(rows, as_json=False, empty="")

    lines = shown.getvalue().splitlines()
    assert sum(line.count(ID) for line in lines) == 2
    assert any("1" * 17 in line for line in lines)
    assert shown.getvalue().count("x") >= 300 * 10, "what is no id is wrapped, not cut"


def test_what_is_piped_is_one_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row("a" * 5000), row("李"), row("b")]

    terminal.show_rows(rows, as_json=False, empty="")

    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["id", "delivery_id", "name", "error"]
    assert [line.split()[:3] for line in lines] == [
        [ID, "7", "a" * 5000],
        [ID, "7", "李"],
        [ID, "7", "b"],
    ]
    assert all(line == line.rstrip() for line in lines)


async def test_what_a_process_prints_is_made_visible_before_anybody_shows_it() -> None:
    seen: list[str] = []
    program = r"print('\x1b]0;owned\x07a\u202eb\tc')"
    command = [sys.executable, "-X", "utf8", "-c", program]

    process = await Process.start("part", command, sink=lambda _, line: seen.append(line))
    await process.wait()
    await process.stop()

    assert [line.split() for line in seen] == [["\\x1b]0;owned\\x07a\\u202eb", "c"]]


LOGS = """
import logging, structlog
from orderbus import log_lines
from tests.conftest import settings_from
log_lines.configure(settings_from({}, debug=True), process="test")
text = "\\x1b]0;owned\\x07\\n\\u202e\\x9b31m"
structlog.get_logger().info(text, customer=text, more=[text])
logging.getLogger("x").warning("%s", text)
try:
    raise ValueError(text)
except ValueError:
    structlog.get_logger().exception("failed")
    logging.getLogger("x").exception("failed")
"""


def test_log_lines_for_people_let_no_text_steer_the_terminal() -> None:
    run = subprocess.run(
        [sys.executable, "-c", LOGS],
        cwd=ROOT,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )

    said = run.stderr.decode()
    assert all(char.isprintable() or char == "\n" for char in said)
    assert said.count("owned") >= 6
    assert "Traceback" in said


def test_printable_text_is_left_as_it_is() -> None:
    text = "Zoë Müller, 李 🛒 — «ok» \\x1b"

    assert printable(text) == text
    assert printable("a\nb\rc", lines=True) == "a\nb\\rc"


def test_commands_print_through_the_terminal_alone() -> None:
    paths = sorted((ROOT / "orderbus" / "commands").glob("*.py"))

    found = [
        f"{path.name}:{node.lineno}"
        for path in paths
        if path.name != "terminal.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _name(node.func) in {"echo", "secho", "print"}
    ]

    assert not found, f"use terminal.say or terminal.show_rows: {found}"


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""

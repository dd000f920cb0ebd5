"""Writes the figures down: JSON, a report with plots, and the marked tables of the pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import machine, plot
from bench.parts import ROOT
from bench.report import GOAL_HEADER, Goal, Plot, Raw, Result, Run, Table, number

RESULTS = Path(__file__).with_name("results")
#: Pages with tables between ``<!-- bench: NAME -->`` and ``<!-- /bench -->``.
PAGES = ("README.md", "docs/running.md", "docs/performance.md", "docs/scaling.md")
_MARKED = re.compile(r"(<!-- bench: ([a-z ]+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def collect(results: Sequence[Result], failures: Mapping[str, str], run: Run) -> dict[str, Any]:
    """Make one JSON value of all that was measured."""
    return {
        **machine.describe(),
        "mode": "quick" if run.quick else "long" if run.long else "short",
        "goals": [one.as_json() for one in results if isinstance(one, Goal)],
        "tables": {one.name: asdict(one) for one in results if isinstance(one, Table)},
        "plots": {one.name: asdict(one) for one in results if isinstance(one, Plot)},
        "raw": {one.name: one.content for one in results if isinstance(one, Raw)},
        "failures": dict(failures),
    }


def write(measured: Mapping[str, Any], folder: Path, *, name: str) -> None:
    """Write ``NAME.json``, the plots, and the report (``report.md`` for the latest)."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in measured.items())
    (folder / f"{name}.json").write_text(f"{{\n{lines}\n}}\n")
    for each in measured["plots"].values():
        (folder / _file(each)).write_text(plot.svg(Plot(**each)))
    report = "report.md" if name == "latest" else f"report-{name}.md"
    (folder / report).write_text(markdown(measured))


def into_pages(measured: Mapping[str, Any]) -> None:
    """Write each marked table of the pages anew; a table that was not measured stays."""
    tables = dict(_tables(measured))

    def anew(found: re.Match[str]) -> str:
        begin, name, end = found.groups()
        return f"{begin}{tables[name]}\n{end}" if name in tables else found[0]

    for page in PAGES:
        path = ROOT / page
        path.write_text(_MARKED.sub(anew, path.read_text()))


def markdown(measured: Mapping[str, Any]) -> str:
    """Write the report."""
    tables = dict(_tables(measured))
    lines = ["# What was measured", "", tables.pop("machine"), "", tables.pop("goals"), ""]
    for name, text in tables.items():
        lines += [f"## {name.capitalize()}", "", text, ""]
    for each in measured["plots"].values():
        lines += [f"![{each['title']}]({_file(each)})", ""]
    if measured["failures"]:
        lines += ["## Not measured", ""]
        lines += [f"- {name}: {why}" for name, why in measured["failures"].items()]
    return "\n".join(lines).rstrip() + "\n"


def _file(each: Mapping[str, Any]) -> str:
    return f"{each['name'].replace(' ', '-')}.svg"


def _tables(measured: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "machine", _machine(measured)
    goals = [Goal(**{k: v for k, v in goal.items() if k != "met"}) for goal in measured["goals"]]
    yield "goals", Table("goals", GOAL_HEADER, [goal.row() for goal in goals]).markdown()
    for name, table in measured["tables"].items():
        yield name, Table(**table).markdown()


def _machine(measured: Mapping[str, Any]) -> str:
    hardware, versions = measured["hardware"], measured["versions"]
    on = ", ".join(f"{name} {version}" for name, version in versions.items())
    speed = measured["raw"]["reference"]
    return (
        f"Commit {measured['commit']}, {measured['mode']} run, {hardware['cores']} cores of "
        f"{hardware['processor']}, {hardware['memory_gib']} GiB; {on}. pgbench's plainest insert "
        f"of an order, its items and a pointer: {number(speed['rate'])}/s at {speed['clients']} "
        f"clients, so the goals, set for 15,000/s, are scaled by {speed['scale']:.2f}."
    )

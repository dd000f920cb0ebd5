"""``python -m bench [--quick] [--json]``: measure, compare, report what was missed as missed.

These machines are noisy: each figure is a ratio of two things measured in the same run, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import accept, consumers, latency, machine, relay
from bench.report import Goal

RESULTS = Path(__file__).with_name("results") / "latest.json"


def main() -> int:
    """Measure everything; exits 0 whether goals are met or missed: the report says which."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    arguments = parser.parse_args()
    goals = asyncio.run(_measure(quick=arguments.quick))
    report = {**machine.describe(), "goals": [goal.as_json() for goal in goals]}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    if arguments.json:
        print(json.dumps(report))
    else:
        _show(goals)
    return 0


async def _measure(*, quick: bool) -> list[Goal]:
    goals: list[Goal] = []
    with (
        Progress(console=Console(stderr=True)) as progress,
        tempfile.TemporaryDirectory(prefix="orderbus-bench-") as folder,
    ):
        Path(folder).chmod(0o755)  # PostgreSQL refuses root and runs as somebody else
        task = progress.add_task("measuring", total=4)
        for measure in (accept, relay, consumers, latency):
            name = measure.__name__.rpartition(".")[2]
            progress.update(task, description=name)
            goals += await measure.measure(Path(folder) / name, quick=quick)
            progress.advance(task)
    return goals


def _show(goals: list[Goal]) -> None:
    table = Table("goal", "figure", "wanted", "", "detail", box=None, header_style="bold")
    for goal in goals:
        met = "[green]met[/green]" if goal.met else "[red]missed[/red]"
        table.add_row(goal.name, f"{goal.figure:.3g}", goal.wanted, met, goal.detail)
    console = Console()
    console.print(table)
    for name, value in machine.describe().items():
        console.print(f"{name}: {value}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())

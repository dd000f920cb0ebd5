"""``python -m bench [NAME ...] [--quick] [--long]``: measure, compare, report what was missed.

A run of all measurements writes the report in ``bench/results`` and, unless it is the long one,
every marked table of the pages. A run of some of them, or a quick one, writes to ``build/bench``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from bench import (
    accept,
    bulkheads,
    consumers,
    drain,
    fan_out,
    growth,
    hops,
    latency,
    memory,
    reference,
    relay,
    shop,
    start,
    sustained,
    written,
)
from bench.parts import ROOT
from bench.report import Raw, Result, Run

Measure = Callable[[Path, Run], Awaitable[Sequence[Result]]]
#: In this order; each is a question of its own.
MEASURES: Mapping[str, Measure] = {
    "accept": accept.measure,
    "sustained": sustained.measure,
    "every_event": sustained.of_every_event,
    "drain": drain.measure,
    "latency": latency.measure,
    "relay": relay.measure,
    "consumers": consumers.measure,
    "fan_out": fan_out.measure,
    "bulkheads": bulkheads.measure,
    "shop": shop.measure,
    "start": start.measure,
    "hops": hops.measure,
}
#: What takes longer than the others together: ``make bench-long``.
LONG: Mapping[str, Measure] = {"growth": growth.measure, "memory": memory.measure}


def main() -> int:
    """Measure; exits 1 if something could not be measured, whether goals are met or missed."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join({**MEASURES, **LONG}))
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument(
        "--long", action="store_true", help="what takes longer than all others: memory, growth"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    known = {**MEASURES, **LONG}
    for name in arguments.names:
        if name not in known:
            parser.error(f"{name} is none of {', '.join(known)}")
    chosen = arguments.names or (LONG if arguments.long else MEASURES)
    run = Run(quick=arguments.quick, long=arguments.long)
    measured = uvloop.run(_measure({name: known[name] for name in chosen}, run))
    everything = not arguments.names and not arguments.quick
    folder = written.RESULTS if everything else ROOT / "build" / "bench"
    written.write(measured, folder, name="long" if arguments.long else "latest")
    if everything and not arguments.long:
        written.into_pages(measured)
    print(json.dumps(measured) if arguments.json else written.markdown(measured))
    return 1 if measured["failures"] else 0


async def _measure(measures: Mapping[str, Measure], run: Run) -> dict[str, Any]:
    results: list[Result] = []
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="orderbus-bench-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL refuses root and runs as somebody else
        (speed,) = await reference.measure(Path(folder) / "reference", run)
        run = replace(run, scale=speed.content["scale"])
        results.append(speed)
        for name, measure in measures.items():
            began = time.monotonic()
            try:
                results += await measure(Path(folder) / name, run)
            except Exception as error:  # noqa: BLE001 - the others are measured all the same
                failures[name] = "".join(traceback.format_exception_only(error)).strip()
                traceback.print_exception(error)
            took = time.monotonic() - began
            results.append(Raw(f"seconds {name}", {"seconds": took}))
            print(f"{name}: {took:.0f} s", file=sys.stderr)
    return written.collect(results, failures, run)


if __name__ == "__main__":
    sys.exit(main())

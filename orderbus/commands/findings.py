"""What `doctor` and `check` find, and how it is printed."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial

import click

from orderbus.commands import terminal
from orderbus.domain.alarms import page_of_subject


class Verdict(StrEnum):
    """How well something is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAULT: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``todo`` says what to type where it is not well."""

    verdict: Verdict
    subject: str
    found: str
    todo: str = ""

    @property
    def page(self) -> str:
        """Where it says what this means and what to do; empty where all is well."""
        return "" if self.verdict is Verdict.OK else page_of_subject(self.subject)


#: How a subject is looked at, and what to type where its dependency does not answer.
Examinations = dict[str, tuple[Callable[[], Awaitable[Finding]], str]]


#: Something is well; somebody should look at it; it does not work, or must not go to production.
ok = partial(Finding, Verdict.OK)
warning = partial(Finding, Verdict.WARNING)
fault = partial(Finding, Verdict.FAULT)


def report(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print what was found; exits 1 if something is at fault."""
    if as_json:
        terminal.show([{**asdict(finding), "page": finding.page} for finding in findings])
    else:
        for finding in findings:
            _say(finding)
    if any(finding.verdict is Verdict.FAULT for finding in findings):
        sys.exit(1)


def _say(finding: Finding) -> None:
    verdict = click.style(f"{finding.verdict:8}", fg=_COLOURS[finding.verdict])
    first, *more = finding.found.splitlines() or [""]
    terminal.say(f"{finding.subject:20} {first}", head=verdict)
    for line in more:
        terminal.say(f"{'':29} {line}")
    if finding.todo:
        terminal.say(f"{'':29}-> {finding.todo}")
    if finding.page:
        terminal.say(f"{'':29}   {finding.page}")

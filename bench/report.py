"""What a measurement returns: goals, tables and plots; and whether a goal was met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """How much is measured, and on how fast a machine.

    ``scale`` is the machine's rate of the plainest insert beside 15,000 a second, 1 at most: the
    goals hold for a machine that is as fast, and are scaled on a slower one.
    """

    quick: bool = False
    long: bool = False
    scale: float = 1.0

    def pick(self, quick: float, short: float, long: float | None = None) -> float:
        """Choose by how much is measured."""
        if self.quick:
            return quick
        return long if self.long and long is not None else short


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure beside what is wanted; ``detail`` holds what it was made of."""

    name: str
    figure: float
    goal: float
    at_least: bool
    detail: str

    @property
    def met(self) -> bool:
        """Whether the figure is as good as wanted."""
        return self.figure >= self.goal if self.at_least else self.figure <= self.goal

    @property
    def ratio(self) -> float:
        """How good the figure is beside what is wanted: 1 and more is met."""
        better, worse = (self.figure, self.goal) if self.at_least else (self.goal, self.figure)
        return better / worse if worse else float(self.met)

    @property
    def wanted(self) -> str:
        """Write the goal as a person does."""
        return f"{'≥' if self.at_least else '≤'} {number(self.goal)}"

    def as_json(self) -> dict[str, Any]:
        """Write the goal for a machine."""
        rounded = {"figure": round(self.figure, 4), "goal": round(self.goal, 4)}
        return {**asdict(self), **rounded, "met": self.met}

    def row(self) -> list[str]:
        """Write the goal as a row of a table."""
        met = "met" if self.met else "**missed**"
        return [self.name, number(self.figure), self.wanted, f"{self.ratio:.2f}", met, self.detail]


GOAL_HEADER = ("what", "figure", "goal", "ratio", "", "how it was made")


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the report shows, and that pages show under its name."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Write the table as Markdown."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True, slots=True)
class Plot:
    """Lines over time or another number."""

    name: str
    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Raw:
    """Figures that other figures are computed of, kept beside the report."""

    name: str
    content: Mapping[str, Any]


Result = Goal | Table | Plot | Raw


def number(value: float) -> str:
    """Write a number with three digits that count, and thousands apart."""
    if abs(value) >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    return f"{value:.3g}"

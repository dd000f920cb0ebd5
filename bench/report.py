"""What is a goal, and was it met?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
    def wanted(self) -> str:
        """Write the goal as a person does."""
        return f"{'>=' if self.at_least else '<='} {self.goal:g}"

    def as_json(self) -> dict[str, Any]:
        """Write the goal for a machine."""
        return {
            "name": self.name,
            "figure": round(self.figure, 4),
            "goal": self.goal,
            "met": self.met,
            "detail": self.detail,
        }

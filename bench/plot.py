"""Draws lines as SVG: enough for a backlog over time, and nothing to install for it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from bench.report import Plot, number

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 720, 320, 70, 40, 190, 50
_COLOURS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#475569", "#db2777", "#0891b2")
_STEPS = 5


def svg(plot: Plot) -> str:
    """Draw each line in a colour of its own, from zero on, with its name beside it."""
    points = [point for line in plot.lines.values() for point in line] or [(0.0, 0.0)]
    across = max(x for x, _ in points) or 1.0
    up = max(y for _, y in points) or 1.0
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> str:
        return f"{_LEFT + width * x / across:.1f},{_TOP + height * (1 - y / up):.1f}"

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        _text(_LEFT, 20, plot.title, size=15),
        _text(_LEFT + width / 2, _HEIGHT - 10, plot.x, anchor="middle"),
        _text(_LEFT, _TOP - 6, plot.y),
        *_grid(across, up),
    ]
    for turn, (name, line) in enumerate(plot.lines.items()):
        colour = _COLOURS[turn % len(_COLOURS)]
        path = " ".join(place(x, y) for x, y in line)
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        drawn.append(_text(_WIDTH - _RIGHT + 12, _TOP + 12 + 18 * turn, name, colour=colour))
    return "\n".join([*drawn, "</svg>", ""])


def _grid(across: float, up: float) -> Iterator[str]:
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    for step in range(_STEPS + 1):
        x = _LEFT + width * step / _STEPS
        y = _TOP + height * (1 - step / _STEPS)
        yield f'<line x1="{_LEFT}" y1="{y}" x2="{_LEFT + width}" y2="{y}" stroke="#e2e8f0"/>'
        yield _text(_LEFT - 6, y + 4, number(up * step / _STEPS), anchor="end")
        yield _text(x, _TOP + height + 18, number(across * step / _STEPS), anchor="middle")


def _text(
    x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", colour: str = "#0f172a"
) -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'

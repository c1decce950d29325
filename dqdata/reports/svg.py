"""Pictures as SVG text: values with their intervals, and points over two axes. They need no library and no font."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

WIDTH, LEFT, RIGHT, ROW = 640, 190, 30, 28
COLOURS = ("#1f5fa8", "#c4501b", "#3a7d34", "#8a3f8f", "#7a6a1e", "#3b3b3b")


class Bar(NamedTuple):
    label: str
    value: float
    low: float
    high: float


class Point(NamedTuple):
    """series: points of one have one colour, in the order of their first appearance."""

    series: str
    x: float
    y: float
    low: float
    high: float


class Spread5(NamedTuple):
    """Quantiles of positive values."""

    label: str
    p10: float
    p50: float
    p90: float
    p99: float


def spreads(title: str, rows: Sequence[Spread5]) -> str:
    """A row for each distribution over a logarithmic axis: a bar from 10% to 90%, the median, and a line to 99%."""
    height, span = 64 + ROW * len(rows), WIDTH - LEFT - RIGHT
    known = [value for row in rows for value in row[1:] if value > 0]
    low = math.floor(math.log10(min(known, default=1.0)))
    high = max(low + 1, math.ceil(math.log10(max(known, default=10.0))))

    def across(value: float) -> float:
        return LEFT + span * (math.log10(max(value, 10.0**low)) - low) / (high - low)

    parts = [_text(12, 22, title, size=15)]
    for power in range(low, high + 1):
        at = across(10.0**power)
        parts += [_line(at, 36, at, height - 24, "#ddd"), _text(at, height - 8, f"{10.0**power:g}", "middle", 11)]
    for number, row in enumerate(rows):
        y = 52 + ROW * number
        colour = COLOURS[0]
        parts += [_text(12, y + 4, row.label[:28]), _line(across(row.p90), y, across(row.p99), y, colour)]
        parts.append(
            f'<rect x="{across(row.p10):.1f}" y="{y - 6}" width="{max(1.0, across(row.p90) - across(row.p10)):.1f}" '
            f'height="12" fill="{colour}" fill-opacity="0.35"/>'
        )
        parts.append(_line(across(row.p50), y - 8, across(row.p50), y + 8, colour, 3))
    return _svg(height, parts)


def stacked(title: str, rows: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """A row for each label: its shares side by side, which add up to 1, in the colours of their names."""
    names = list(dict.fromkeys(name for _, shares in rows for name in shares))
    height, span = 64 + ROW * len(rows), WIDTH - LEFT - RIGHT
    parts = [_text(12, 22, title, size=15)]
    for place, name in enumerate(names):
        left, colour = LEFT + 110 * place, COLOURS[place % len(COLOURS)]
        parts.append(f'<rect x="{left}" y="{height - 20}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(left + 18, height - 9, name, size=11))
    for number, (label, shares) in enumerate(rows):
        y, at = 52 + ROW * number, float(LEFT)
        parts.append(_text(12, y + 4, label[-28:]))
        for place, name in enumerate(names):
            width = span * shares.get(name, 0.0)
            if width:
                parts.append(
                    f'<rect x="{at:.1f}" y="{y - 8}" width="{width:.1f}" height="16" '
                    f'fill="{COLOURS[place % len(COLOURS)]}"/>'
                )
            at += width
    return _svg(height, parts)


def intervals(title: str, bars: Sequence[Bar], unit: str = "accuracy") -> str:
    """A row for each value, with its interval; all between 0 and 1."""
    height = 64 + ROW * len(bars)
    span = WIDTH - LEFT - RIGHT
    parts = [_text(12, 22, title, size=15)]
    for tick in range(6):
        x = LEFT + span * tick / 5
        parts += [_line(x, 36, x, height - 24, "#ddd"), _text(x, height - 8, f"{tick / 5:.1f}", "middle", 11)]
    parts.append(_text(12, height - 8, unit, size=11))
    for number, bar in enumerate(bars):
        y = 52 + ROW * number
        low, at, high = (LEFT + span * min(1.0, max(0.0, value)) for value in (bar.low, bar.value, bar.high))
        colour = COLOURS[0] if number else COLOURS[1]
        parts += [_text(12, y + 4, bar.label), _line(low, y, high, y, colour, 2)]
        parts.append(f'<circle cx="{at:.1f}" cy="{y}" r="5" fill="{colour}"/>')
    return _svg(height, parts)


def scatter(title: str, points: Sequence[Point], x: str, y: str = "accuracy") -> str:
    """Points over a logarithmic axis, with the intervals of their heights, which lie between 0 and 1."""
    height, top, bottom, left = 420, 40, 60, 60
    known = [point for point in points if point.x > 0]
    low = math.floor(math.log10(min((point.x for point in known), default=1.0)))
    high = max(low + 1, math.ceil(math.log10(max((point.x for point in known), default=10.0))))

    def across(value: float) -> float:
        return left + (WIDTH - left - 160) * (math.log10(value) - low) / (high - low)

    def up(value: float) -> float:
        return height - bottom - (height - top - bottom) * min(1.0, max(0.0, value))

    parts = [_text(12, 22, title, size=15)]
    for tick in range(6):
        parts += [
            _line(left, up(tick / 5), WIDTH - 160, up(tick / 5), "#ddd"),
            _text(left - 8, up(tick / 5) + 4, f"{tick / 5:.1f}", "end", 11),
        ]
    for power in range(low, high + 1):
        at = across(10.0**power)
        parts += [
            _line(at, top, at, height - bottom, "#ddd"),
            _text(at, height - bottom + 18, f"{10.0**power:g}", "middle", 11),
        ]
    parts += [
        _text((left + WIDTH - 160) / 2, height - 12, f"{x} (logarithmic)", "middle", 12),
        _text(12, top - 4, y, size=11),
    ]
    series = list(dict.fromkeys(point.series for point in known))
    for point in known:
        colour = COLOURS[series.index(point.series) % len(COLOURS)]
        at = across(point.x)
        parts += [
            _line(at, up(point.low), at, up(point.high), colour),
            f'<circle cx="{at:.1f}" cy="{up(point.y):.1f}" r="4" fill="{colour}"/>',
        ]
    for number, name in enumerate(series):
        place = 52 + 20 * number
        colour = COLOURS[number % len(COLOURS)]
        parts += [
            f'<circle cx="{WIDTH - 145}" cy="{place}" r="4" fill="{colour}"/>',
            _text(WIDTH - 136, place + 4, name[:24], size=11),
        ]
    return _svg(height, parts)


def _svg(height: float, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif">\n<rect width="{WIDTH}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'

"""The grid that panels flow into: lines of panels side by side, under the heading of their row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import attr

from tollbook.dashboards import grafana
from tollbook.dashboards.normalise import Json

GRID_WIDTH = 24
ROW_HEIGHT = 1


@dataclass(frozen=True)
class Line:
    """Panels side by side, of one height, sharing the whole width: as evenly as can be, unless `widths` says how."""

    height: int
    panels: Sequence[Any]
    widths: Sequence[int] = ()

    def columns(self) -> Sequence[int]:
        count = len(self.panels)
        even = [GRID_WIDTH // count + (position < GRID_WIDTH % count) for position in range(count)]
        widths = self.widths or even
        if sum(widths) != GRID_WIDTH or len(widths) != count:
            raise ValueError(f"{count} panels of the widths {list(widths)} do not fill {GRID_WIDTH} columns")
        return widths


@dataclass(frozen=True)
class Row:
    title: str
    lines: Sequence[Line]


def in_lines(height: int, panels: Sequence[Any], widest: int) -> list[Line]:
    """As few lines as hold them with at most `widest` in each, filled as evenly as can be, the fuller ones first."""
    count = -(-len(panels) // widest)
    sizes = [len(panels) // count + (position < len(panels) % count) for position in range(count)]
    rest = iter(panels)
    return [Line(height, [next(rest) for _ in range(size)]) for size in sizes]


def flow(rows: Iterable[Row]) -> Iterator[Any]:
    """Panels in reading order, each with its place in the grid."""
    y = 0
    for row in rows:
        yield grafana.Row(title=row.title, gridPos=_place(0, y, GRID_WIDTH, ROW_HEIGHT))
        y += ROW_HEIGHT
        for line in row.lines:
            x = 0
            for panel, width in zip(line.panels, line.columns(), strict=True):
                yield attr.evolve(panel, gridPos=_place(x, y, width, line.height))
                x += width
            y += line.height


def _place(x: int, y: int, width: int, height: int) -> Json:
    return {"h": height, "w": width, "x": x, "y": y}

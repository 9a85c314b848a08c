"""Sums that move with time: over a window that slides, and since a day, a week or a month began."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

from demo.billing import Labels

Figures = Mapping[Labels, Decimal]


class Window:
    """The sum of what came within so many seconds. What was used once within it is there, if with zero."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._entries: deque[tuple[int, Figures]] = deque()
        self._sums: dict[Labels, Decimal] = {}
        self._counts: dict[Labels, int] = {}

    def add(self, end: int, figures: Figures) -> None:
        self._entries.append((end, figures))
        for labels, figure in figures.items():
            self._sums[labels] = self._sums.get(labels, Decimal()) + figure
            self._counts[labels] = self._counts.get(labels, 0) + 1
        while self._entries[0][0] <= end - self._seconds:
            self._forget(self._entries.popleft()[1])

    def _forget(self, figures: Figures) -> None:
        for labels, figure in figures.items():
            self._counts[labels] -= 1
            if self._counts[labels]:
                self._sums[labels] -= figure
            else:
                del self._sums[labels], self._counts[labels]

    @property
    def sums(self) -> Figures:
        return self._sums


class SinceBegin:
    """The sum of what came in one period, told by anything that changes when the next one begins."""

    def __init__(self) -> None:
        self._period: object = None
        self._sums: dict[Labels, Decimal] = {}

    def add(self, period: object, figures: Figures) -> None:
        if period != self._period:
            self._period, self._sums = period, {}
        for labels, figure in figures.items():
            self._sums[labels] = self._sums.get(labels, Decimal()) + figure

    @property
    def sums(self) -> Figures:
        return self._sums


class Hours:
    """What each hour holds, as the rules put it down: with the first entry of the next one, which is no part of it."""

    def __init__(self) -> None:
        self._hour = 0
        self.open: dict[Labels, Decimal | int] = {}

    def add(self, hour: int, figures: Mapping[Labels, Decimal | int]) -> Mapping[Labels, Decimal | int]:
        """What the hour before held where this one is the first of another; a series of zero ends with its hour."""
        over: Mapping[Labels, Decimal | int] = {}
        if hour != self._hour:
            over = {labels: figure for labels, figure in self.open.items() if figure}
            self._hour, self.open = hour, dict.fromkeys(over, 0)
        for labels, figure in figures.items():
            self.open[labels] = self.open.get(labels, 0) + figure
        return over


def total(figures: Figures, **match: str) -> Decimal:
    """Of all that bear these labels."""
    wanted = set(match.items())
    return sum((figure for labels, figure in figures.items() if wanted <= set(labels)), Decimal())

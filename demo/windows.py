"""Sums that move with time: over a window that slides, and since a day, a week or a month began."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

from demo.billing import Labels
from demo.fleet import HOUR
from tollbook.gen.spec import Budget
from tollbook.gen.traffic import counts

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
    """What each hour holds, as the rules put it down: a step after it ended."""

    def __init__(self) -> None:
        self._by_end: dict[int, dict[Labels, Decimal | int]] = {}

    def add(self, second: int, figures: Mapping[Labels, Decimal | int]) -> None:
        """What was recorded then; that of the full hour is the hour's last."""
        held = self._by_end.setdefault(-(-second // HOUR) * HOUR, {})
        for labels, figure in figures.items():
            held[labels] = held.get(labels, 0) + figure

    def put_down(self, end: int) -> Mapping[Labels, Decimal | int]:
        """All up to that hour's end, for once. What was used goes on with zero; a series of zero ends with its hour."""
        sums = _added([self._by_end.pop(each) for each in sorted(self._by_end) if each <= end])
        over = {labels: figure for labels, figure in sums.items() if figure}
        self.add(end + 1, dict.fromkeys(over, 0))
        return over

    @property
    def open(self) -> Mapping[Labels, Decimal | int]:
        """What is not put down."""
        return _added([*self._by_end.values()])


def _added(parts: list[dict[Labels, Decimal | int]]) -> Mapping[Labels, Decimal | int]:
    if len(parts) == 1:
        return parts[0]
    sums: dict[Labels, Decimal | int] = {}
    for part in parts:
        for labels, figure in part.items():
            sums[labels] = sums.get(labels, 0) + figure
    return sums


def counted(budget: Budget, figures: Figures) -> dict[str, Decimal]:
    """What the budget counts of it, by the value of the label that it is per; by nothing where there is none."""
    sums: dict[str, Decimal] = {}
    for labels, figure in figures.items():
        own = dict(labels)
        if counts(budget, own):
            value = own.get(budget.per, "") if budget.per else ""
            sums[value] = sums.get(value, Decimal()) + figure
    return sums


def total(figures: Figures, **match: str) -> Decimal:
    """Of all that bear these labels."""
    wanted = set(match.items())
    return sum((figure for labels, figure in figures.items() if wanted <= set(labels)), Decimal())

"""What budgets and their alerts must say of made-up spending, worked out in plain Decimal arithmetic."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import accumulate

from tollbook.gen import names, oracle, traffic
from tollbook.gen.annotations import Rows
from tollbook.gen.durations import Duration
from tollbook.gen.oracle import Cell, Request
from tollbook.gen.pacing import KNOWN_AT_LEAST, LOOK_BACK, BurnRow
from tollbook.gen.spec import Budget, Period, Spec
from tollbook.gen.timezones import utc_offset_changes

#: Relative: sums of floats stand for decimals to some fifteen digits.
FLOAT_NOISE = Decimal("1e-9")
HAIR_USD = Decimal("1e-6")

#: Wall clocks are reckoned as if they showed UTC.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(milliseconds=1)
_SPENDERS = 3


def ends_in_half_a_cent(usd: Decimal) -> bool:
    """So nearly that a float and a decimal might be rounded apart."""
    return abs(usd * 100 % 1 - Decimal("0.5")) / 100 < HAIR_USD + usd * FLOAT_NOISE


@dataclass(frozen=True)
class Spending:
    """By the step at which the ledger holds it. Nothing may be spent before a local midnight that is looked across."""

    spec: Spec
    spent: tuple[tuple[int, Cell, Decimal], ...]
    known_before: int = 0
    """How many steps the ledger had seen before step zero, in which nothing was spent."""

    @classmethod
    def of(cls, spec: Spec, requests: Iterable[tuple[int, Request]], known_before: int = 0) -> Spending:
        """`requests`: each with the step whose scrape sees it."""
        priced = ((step, oracle.dollars(spec, [request])) for step, request in requests)
        spent = ((traffic.counted(spec, step), cell, usd) for step, paid in priced for cell, usd in paid.items())
        return cls(spec, tuple(spent), known_before)

    def within(self, budget: Budget, window: Duration, now: int) -> Decimal:
        return self.to_date(budget, now) - self.to_date(budget, self._first(now, window) - 1)

    def to_date(self, budget: Budget, now: int) -> Decimal:
        steps, sums = self._running[budget.name]
        return sums[bisect_right(steps, now)]

    @cached_property
    def _running(self) -> Mapping[str, tuple[list[int], list[Decimal]]]:
        """By budget: the steps of its entries, and the sums up to each, after zero. With a short step, what alerts wait
        for is thousands of steps long, and every one of them is asked about."""
        ordered = sorted(self.spent, key=lambda entry: entry[0])
        of_budgets = {
            budget.name: [(step, usd) for step, cell, usd in ordered if traffic.is_counted(budget, cell)]
            for budget in self.spec.budgets
        }
        return {
            name: ([step for step, _ in own], [*accumulate((usd for _, usd in own), initial=Decimal())])
            for name, own in of_budgets.items()
        }

    def spenders(self, budget: Budget, now: int, window: Duration | None = None) -> Rows:
        """The three who spent most, as an alert's text lists them."""
        by_spender: dict[tuple[tuple[str, str], ...], Decimal] = defaultdict(Decimal)
        for cell, usd in self._paid(budget, now, window):
            by_spender[tuple(_spender(self.spec, cell).items())] += usd
        ranked = sorted(by_spender.items(), key=lambda spender: -spender[1])
        return [(dict(labels), usd) for labels, usd in ranked if usd][:_SPENDERS]

    def forecast(self, budget: Budget, period: Period, now: int) -> Decimal:
        window, step_seconds = LOOK_BACK[period], self.spec.prometheus.step.seconds
        known = min(self._known_seconds(now), window.seconds)
        remaining = remaining_seconds(self.spec.prometheus.timezone, period, now * step_seconds)
        return self.to_date(budget, now) + self.within(budget, window, now) / known * remaining

    def is_forecast_over(self, budget: Budget, period: Period, now: int) -> bool:
        is_known = self._known_seconds(now) >= KNOWN_AT_LEAST.seconds
        return is_known and self.forecast(budget, period, now) > budget.usd > self.to_date(budget, now)

    def _known_seconds(self, now: int) -> int:
        """promtool's ledger begins with step zero and misses none."""
        return (self.known_before + now + 1) * self.spec.prometheus.step.seconds

    def burns(self, budget: Budget, row: BurnRow, now: int) -> bool:
        share = budget.usd * row.percent / 100
        lately = self.within(budget, row.short, now) * row.shorts_in_long
        return self.within(budget, row.long, now) >= share and lately >= share

    def _paid(self, budget: Budget, now: int, window: Duration | None = None) -> list[tuple[Cell, Decimal]]:
        first = self._first(now, window) if window else 0
        of_budget = ((step, cell, usd) for step, cell, usd in self.spent if traffic.is_counted(budget, cell))
        return [(cell, usd) for step, cell, usd in of_budget if first <= step <= now]

    def _first(self, now: int, window: Duration) -> int:
        """The first step that a window holds."""
        return now - (window.milliseconds - 1) // self.spec.prometheus.step.milliseconds


def remaining_seconds(timezone: str, period: Period, now_seconds: int) -> int:
    """While promtool's clock is in 1970, where no zone is taken to change its clocks."""
    offset_seconds, _ = utc_offset_changes(timezone)
    local = _EPOCH + timedelta(seconds=now_seconds + offset_seconds)
    today = (local - _INSTANT).date()
    ends = {
        Period.DAY: today + timedelta(days=1),
        Period.WEEK: today + timedelta(days=7 - today.weekday()),
        Period.MONTH: date(today.year + today.month // 12, today.month % 12 + 1, 1),
    }
    return int((datetime.combine(ends[period], datetime.min.time(), UTC) - local).total_seconds())


def _spender(spec: Spec, cell: Cell) -> Mapping[str, str]:
    labels = dict(cell.labels)
    attribution = {entry.label: labels[entry.label] for entry in spec.attribution}
    return {names.GATEWAY: cell.gateway, names.PROVIDER: cell.provider, names.MODEL: cell.model, **attribution}

"""Tests of the calendar: dollars since midnight, since Monday and since the first of the month, in the spec's zone.

The dollars are put in as the ledger would have recorded them: step number n spends n of them. A file ends at the last
instant of a period, or a second later, and its steps are equal parts of the time until then, so that few evaluations
reach any midnight of any zone to the second. In 1970 the rules know the zone by its offset of 2024.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.oracle import Cell
from tollbook.gen.promql import one_of, series
from tollbook.gen.promtest import Case, CaseFile, absent, expect, input_series, values
from tollbook.gen.spec import Budget, Period, Spec
from tollbook.gen.timezones import utc_offset_changes

_DAY_SECONDS = 86_400
_SECOND = Duration(1000)

#: The rules look for the totals of past days this often.
_READ_EVERY = Duration.parse("5m")

#: Period, the first day after it in days since 1970-01-01, and how many steps lead to its end and to a second later: a
#: number that divides both into whole milliseconds.
_ENDS = (
    # Monday the 5th after the days since Thursday, each of two steps.
    (Period.WEEK, 4, 8, 4),
    # Sunday the 1st of February after January.
    (Period.MONTH, 31, 5, 5),
)
_TO_DATE = {
    Period.DAY: names.DAY_TO_DATE,
    Period.WEEK: names.WEEK_TO_DATE,
    Period.MONTH: names.MONTH_TO_DATE,
}

_Labels = tuple[tuple[str, str], ...]

_FIRST_MONDAY = date(1969, 12, 29)


def files(spec: Spec) -> Iterator[CaseFile]:
    offset = utc_offset_changes(spec.prometheus.timezone)[0]
    for period, days, steps_before, steps_after in _ENDS:
        midnight = Duration((days * _DAY_SECONDS - offset) * 1000)
        last = f"The calendar as a {period} ends in {spec.prometheus.timezone}"
        first = f"The calendar as a {period} begins in {spec.prometheus.timezone}"
        yield _file(spec, f"{period}-before", last, _Clock(midnight, steps_before, offset))
        yield _file(spec, f"{period}-after", first, _Clock(midnight + _SECOND, steps_after, offset))


@dataclass(frozen=True)
class _Clock:
    end: Duration
    steps: int
    offset: int

    @property
    def step(self) -> Duration:
        return Duration(self.end.milliseconds // self.steps)

    def day(self, step: int) -> date:
        """The local day in which a step ends; at midnight sharp it is the old one."""
        return _local(Duration(self.step.milliseconds * step), self.offset)

    def usd(self, counts: Callable[[int], bool]) -> int:
        return sum(step for step in range(1, self.steps + 1) if counts(step))

    def usd_of(self, period: Period) -> int:
        """What all steps cost that are in the period with the last one."""
        today = _labels(self.day(self.steps))
        return self.usd(lambda step: _labels(self.day(step))[period] == today[period])


def labels(spec: Spec, end: Duration) -> dict[str, str]:
    """Of the day, week and month in which a step ends."""
    return _labels(_local(end, utc_offset_changes(spec.prometheus.timezone)[0]))


def remaining_seconds(timezone: str, period: Period, now_seconds: int) -> int:
    """Until the period ends, while promtool's clock is in 1970, where no zone is taken to change its clocks."""
    offset_seconds, _ = utc_offset_changes(timezone)
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=now_seconds + offset_seconds)
    today = (local - timedelta(milliseconds=1)).date()
    ends = {
        Period.DAY: today + timedelta(days=1),
        Period.WEEK: today + timedelta(days=7 - today.weekday()),
        Period.MONTH: date(today.year + today.month // 12, today.month % 12 + 1, 1),
    }
    return int((datetime.combine(ends[period], datetime.min.time(), UTC) - local).total_seconds())


def _local(end: Duration, offset: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=end.milliseconds - 1, seconds=offset)).date()


def _labels(day: date) -> dict[str, str]:
    return {
        names.DAY: str((day - date(1970, 1, 1)).days),
        names.WEEK: str((day - _FIRST_MONDAY).days // 7),
        names.MONTH: str(day.month),
    }


def _file(spec: Spec, moment: str, what: str, clock: _Clock) -> CaseFile:
    cells = traffic.cells(spec, (names.INPUT, names.OUTPUT))
    today = _labels(clock.day(clock.steps))
    samples = [expect(series(names.CALENDAR).now(), clock.end, [({"__name__": names.CALENDAR, **today}, 1)])]
    samples += [_to_date(clock, cells, period) for period in Period]
    if spec.budgets:
        named = [
            ({"__name__": names.BUDGET_SPENT, **labels}, usd)
            for budget in spec.budgets
            if isinstance(budget.period, Period)
            for labels, usd in _spent(clock, cells, budget, budget.period)
        ]
        of_calendar = series(names.BUDGET_SPENT, one_of(names.PERIOD, list(Period))).now()
        samples.append(expect(of_calendar, clock.end, named))
        samples.append(_remaining(spec, clock))
    cost = names.cost(spec.prometheus.step)
    series_in = tuple(
        input_series(cost, traffic.labels_of(cell), f"_ {number}+{number}x{clock.steps - 1}")
        for number, cell in enumerate(cells, start=1)
    )
    cases = (Case(what, clock.step, series_in, tuple(samples)), _first_day(spec, clock))
    return CaseFile(names.rules_test_file(moment), what, clock.step, cases)


def _remaining(spec: Spec, clock: _Clock) -> dict[str, Any]:
    """Seconds until each period ends that has a budget: none at midnight sharp."""
    zone, now = spec.prometheus.timezone, clock.end.seconds
    own = [
        ({"__name__": names.PERIOD_REMAINING, names.PERIOD: period.value}, remaining_seconds(zone, period, now))
        for period in Period
        if any(budget.period is period for budget in spec.budgets)
    ]
    return expect(series(names.PERIOD_REMAINING).now(), clock.end, own)


def _to_date(clock: _Clock, cells: Sequence[Cell], period: Period) -> dict[str, Any]:
    usd = clock.usd_of(period)
    return _figure(period, clock, [(labels, share * usd) for labels, share in _shares(cells).items()])


def _shares(cells: Sequence[Cell]) -> dict[_Labels, int]:
    """What is spent at once under the labels of a period: token types add up."""
    shares: dict[_Labels, int] = defaultdict(int)
    for number, cell in enumerate(cells, start=1):
        shares[tuple(traffic.without_type(cell).items())] += number
    return shares


def _figure(period: Period, clock: _Clock, expected: Iterable[tuple[_Labels, int]]) -> dict[str, Any]:
    record = _TO_DATE[period]
    named = [({"__name__": record, **dict(labels)}, usd) for labels, usd in expected]
    return expect(series(record).now(), clock.end, named)


def _first_day(spec: Spec, clock: _Clock) -> Case:
    """What it cost is in the week and the month until they end, although it was recorded in their first minutes; put in
    as it was recorded, because steps so short would be many."""
    midnight = Duration(max(-clock.offset, 0) * 1000)
    first, today = _labels(_local(midnight + _READ_EVERY, clock.offset)), _labels(clock.day(clock.steps))
    owners = list(_shares(traffic.cells(spec, (names.OUTPUT,))))
    seen = values(absent(midnight.milliseconds // _READ_EVERY.milliseconds + 1), "1")
    expected = [
        _figure(period, clock, [(labels, 1) for labels in owners] if first[period] == today[period] else [])
        for period in Period
    ]
    totals = tuple(input_series(names.DAY_TOTAL, {**dict(labels), **first}, seen) for labels in owners)
    return Case("the totals of the first day", _READ_EVERY, totals, tuple(expected))


def _spent(
    clock: _Clock, cells: Sequence[Cell], budget: Budget, period: Period
) -> Iterator[tuple[dict[str, str], int]]:
    shares: dict[str, int] = dict.fromkeys((override.value for override in budget.overrides), 0)
    if not budget.per:
        shares[""] = 0
    for number, cell in enumerate(cells, start=1):
        if traffic.is_counted(budget, cell):
            value = traffic.labels_of(cell)[budget.per] if budget.per else ""
            shares[value] = shares.get(value, 0) + number
    for value, share in shares.items():
        yield traffic.budget_labels(budget, value), share * clock.usd_of(period)

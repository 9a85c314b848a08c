"""At what pace a budget may be spent: the windows over which its pace is taken, and the paces that raise an alert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tollbook.gen.durations import Duration
from tollbook.gen.spec import Budget, Burn, Period


@dataclass(frozen=True)
class BurnRow:
    """The alert holds while so much of the budget was spent within `long`, and at the same pace within `short`."""

    speed: Burn
    percent: int
    long: Duration
    short: Duration

    @property
    def hold(self) -> Duration:
        """Spending that stops when it has passed the share has left the short window by then: one batch job, however
        dear, raises no alert, and what goes on does."""
        return self.short

    @property
    def shorts_in_long(self) -> int:
        return self.long.milliseconds // self.short.milliseconds


def _row(speed: Burn, percent: int, long: str, short: str) -> BurnRow:
    return BurnRow(speed, percent, Duration.parse(long), Duration.parse(short))


#: An even pace is a factor of one. Who works forty hours a week spends at four times that in working hours, of a day's
#: budget at three times: that is no alarm, so every factor is above it. A runaway agent spends at fifty times or more.
BURNS: Mapping[Period, tuple[BurnRow, ...]] = {
    Period.MONTH: (
        # Factor 14.4, as SLO tools page: a month's money would be gone in two days.
        _row(Burn.FAST, 2, "1h", "5m"),
        # Factor 6: gone in five days, seen in a quarter of one.
        _row(Burn.SLOW, 5, "6h", "30m"),
    ),
    Period.WEEK: (
        # Factor 13.4: gone in half a day, seen within an hour.
        _row(Burn.FAST, 8, "1h", "5m"),
        # Factor 7: gone in one day. Not nearer to the 4.2 of working hours, for some working days are busier.
        _row(Burn.SLOW, 25, "6h", "30m"),
    ),
    Period.DAY: (
        # Factor 7.2: gone in three hours. A window of an hour would be a third of that.
        _row(Burn.FAST, 15, "30m", "5m"),
        # Factor 4: half of the day's money in an eighth of the day, before the threshold alerts speak.
        _row(Burn.SLOW, 50, "3h", "15m"),
    ),
}

#: Rolling windows are watched like the period that they are at least as long as: a longer one has higher factors.
_ROLLING = (
    (Duration.parse("28d"), Period.MONTH),
    (Duration.parse("7d"), Period.WEEK),
    (Duration.parse("1d"), Period.DAY),
)

#: In a shorter one the thresholds themselves are minutes apart.
SHORTEST_BURN = _ROLLING[-1][0]


def burn_rows(budget: Budget) -> tuple[BurnRow, ...]:
    """Those that the budget's alerts watch."""
    kind = _kind(budget.period)
    return tuple(row for row in BURNS[kind] if row.speed in budget.burn) if kind else ()


def _kind(period: Period | Duration) -> Period | None:
    if isinstance(period, Period):
        return period
    return next((kind for shortest, kind in _ROLLING if period >= shortest), None)


# ---- Forecasts -------------------------------------------------------------------------------------------------------

#: A day's pace is that of the last day, so that its own night counts; longer periods have week-ends.
LOOK_BACK: Mapping[Period, Duration] = {
    Period.DAY: Duration.parse("24h"),
    Period.WEEK: Duration.parse("7d"),
    Period.MONTH: Duration.parse("7d"),
}

#: From less than this nobody can tell a pace.
KNOWN_AT_LEAST = Duration.parse("1h")

#: A day whose pace falls again within half an hour is left alone, and so is the step at midnight when the old day's
#: dollars meet the new day's hours; what is left of a day is still most of it.
FORECAST_HOLD = Duration.parse("30m")


def windows(budget: Budget) -> list[Duration]:
    """All over which the budget's spend is recorded for its pace, the shortest first."""
    found = {window for row in burn_rows(budget) for window in (row.short, row.long)}
    if isinstance(budget.period, Period):
        found.add(LOOK_BACK[budget.period])
    return sorted(found)

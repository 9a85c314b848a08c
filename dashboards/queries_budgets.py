"""What the panels of budgets ask: what is left, at which pace it goes, and until when it lasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.pacing import BurnRow, burn_rows
from tollbook.gen.promql import (
    Expr,
    aggregate,
    binary,
    both,
    call,
    either,
    join_labels,
    label_replace,
    labelled,
    largest,
    one_of,
    scalar,
    series,
    smaller,
    sum_by,
)
from tollbook.gen.spec import Budget, Period, Spec

DAY_SECONDS = 86_400
MILLISECONDS = 1000

#: As many as a panel has room for.
MOST_SHOWN = 20


def budget_limits(spec: Spec) -> Expr:
    return _of(spec, names.BUDGET_LIMIT)


def budget_spent(spec: Spec) -> Expr:
    return _of(spec, names.BUDGET_SPENT)


def budget_left(spec: Spec) -> Expr:
    return binary(budget_limits(spec), "-", budget_spent(spec))


def budget_shares(spec: Spec) -> Expr:
    """Of those used most, where a budget for each value of a label may be a thousand."""
    shares = binary(budget_spent(spec), "/", budget_limits(spec))
    return largest(MOST_SHOWN, shares) if spec.budgets_per else shares


def fullest_budget(spec: Spec) -> Expr:
    return call("topk", "1", binary(budget_spent(spec), "/", budget_limits(spec)))


def budget_forecasts(spec: Spec, budgets: Sequence[Budget] = ()) -> Expr:
    """Of these, or of all that have one."""
    return _of(spec, names.BUDGET_FORECAST, budgets)


def budget_paces(spec: Spec) -> Expr:
    """Dollars a day."""
    return binary(_paces(spec), "*", scalar(DAY_SECONDS))


def run_out(spec: Spec) -> Expr:
    """When the money is gone, for Grafana in milliseconds: of those that will not last until their period ends."""
    seconds_left = binary(binary(budget_left(spec), ">", scalar(0)), "/", _paces(spec))
    moment = binary(binary(call("time"), "+", seconds_left), "*", scalar(MILLISECONDS))
    return both(moment, binary(budget_forecasts(spec), ">", budget_limits(spec)))


def _of(spec: Spec, record: str, budgets: Sequence[Budget] = ()) -> Expr:
    """By name; a budget for each value of a label is called by both."""
    named = [one_of(names.BUDGET, [budget.name for budget in budgets])] if budgets else []
    by = (names.BUDGET, *spec.budgets_per)
    figures = sum_by(by, series(record, *named).now())
    if not spec.budgets_per:
        return figures
    joined = label_replace(join_labels(figures, names.BUDGET, " ", *by), names.BUDGET, "$1", names.BUDGET, "(.*[^ ]) +")
    return sum_by([names.BUDGET], joined)


# ---- Pace ----------------------------------------------------------------------------------------------------


def calendar_budgets(spec: Spec, period: Period) -> list[Budget]:
    return [budget for budget in spec.budgets if budget.period is period]


def has_forecast(spec: Spec) -> bool:
    return any(calendar_budgets(spec, period) for period in Period)


def _paces(spec: Spec) -> Expr:
    """Dollars a second: of a calendar period the pace of its forecast, of a rolling window its average."""
    return either(*_calendar_paces(spec), *_rolling_paces(spec))


def _calendar_paces(spec: Spec) -> Iterator[Expr]:
    for period in Period:
        budgets = calendar_budgets(spec, period)
        if budgets:
            ahead = binary(_of(spec, names.BUDGET_FORECAST, budgets), "-", _of(spec, names.BUDGET_SPENT, budgets))
            remaining = series(names.PERIOD_REMAINING, one_of(names.PERIOD, [period.value])).now()
            yield binary(ahead, "/", aggregate("max", remaining), on=(), group_left=())


def _rolling_paces(spec: Spec) -> Iterator[Expr]:
    windows = dict.fromkeys(budget.period for budget in spec.budgets if isinstance(budget.period, Duration))
    for window in windows:
        budgets = [budget for budget in spec.budgets if budget.period == window]
        yield binary(_of(spec, names.BUDGET_SPENT, budgets), "/", scalar(Decimal(window.milliseconds) / MILLISECONDS))


# ---- Burn ----------------------------------------------------------------------------------------------------


def burns(spec: Spec) -> Expr | None:
    """How near each burn alert is, 1 being where it is; None where no budget has one."""
    watched: dict[BurnRow, list[Budget]] = {}
    for budget in spec.budgets:
        for row in burn_rows(budget):
            watched.setdefault(row, []).append(budget)
    return either(*(_burn(spec, row, budgets) for row, budgets in watched.items())) if watched else None


def _burn(spec: Spec, row: BurnRow, budgets: Sequence[Budget]) -> Expr:
    """The alert needs both windows, so the one that is further away counts."""
    spent = _of(spec, names.budget_increase(row.long), budgets)
    lately = binary(_of(spec, names.budget_increase(row.short), budgets), "*", scalar(row.shorts_in_long))
    alerting = binary(_of(spec, names.BUDGET_LIMIT, budgets), "*", scalar(Decimal(row.percent) / 100))
    return labelled(binary(smaller(spent, lately), "/", alerting), names.BURN, row.speed.value)


def burn_records(spec: Spec) -> list[str]:
    rows = [row for budget in spec.budgets for row in burn_rows(budget)]
    return [
        names.budget_increase(window) for window in sorted({window for row in rows for window in (row.short, row.long)})
    ]

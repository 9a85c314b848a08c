"""Tests of the alerts on a budget's pace a hair on each side of every boundary: which are pending at once.

What was spent is put in as the ledger would have recorded it, and evaluated once. That the alerts wait, and what they
say, is tried in testgen_pace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal

from tollbook.gen import names, testgen_calendar, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.oracle import Cell
from tollbook.gen.pacing import KNOWN_AT_LEAST, BurnRow, burn_rows
from tollbook.gen.promql import eq, number, series, sum_by
from tollbook.gen.promtest import Case, absent, constant, expect, input_series, values
from tollbook.gen.spec import Budget, Period, Spec
from tollbook.gen.spending import Spending, remaining_seconds
from tollbook.gen.testgen_budgets import model_for, request_for

#: How far beside a boundary an amount lies: no digit of a rule changes as little as this.
_JUST_UNDER, _JUST_OVER = Decimal("0.999"), Decimal("1.001")

_TOTALS = {
    Period.DAY: names.DAY_TOTAL,
    Period.WEEK: names.WEEK_TOTAL,
    Period.MONTH: names.MONTH_TOTAL,
}


def cases(spec: Spec, end: Duration) -> Iterator[Case]:
    for budget in spec.budgets:
        model = model_for(spec, budget)
        if model is None:
            continue
        request = request_for(spec, budget, model)
        labels = tuple(sorted(request.labels.items()))
        cell = Cell(request.gateway.id, request.provider, model.name, names.OUTPUT, labels)
        for row in burn_rows(budget):
            yield from _burns(spec, budget, row, cell, end)
        if budget.forecast is not None and isinstance(budget.period, Period):
            yield from _forecasts(spec, budget, budget.period, cell, end)


# ---- Burn ------------------------------------------------------------------------------------------------------------


def _burns(spec: Spec, budget: Budget, row: BurnRow, cell: Cell, end: Duration) -> Iterator[Case]:
    """Just over the share is spent within the long window, and within the short one just over its part, or not."""
    now = end.milliseconds // spec.prometheus.step.milliseconds
    before = now - 2 * row.short.milliseconds // spec.prometheus.step.milliseconds
    share = budget.usd * row.percent / 100
    for words, lately in (("too slow", _JUST_UNDER), ("fast enough", _JUST_OVER)):
        short = _plain(share / row.shorts_in_long * lately)
        spending = Spending(spec, ((before, cell, _plain(share * _JUST_OVER) - short), (now, cell, short)))
        due = [
            ({names.BURN: watched.speed.value}, 1)
            for watched in burn_rows(budget)
            if spending.burns(budget, watched, now)
        ]
        series_in = tuple(_ledger(spec, cell, spending.spent))
        pending = _pending(names.ALERT_BUDGET_BURN, names.BURN, budget, end, due)
        yield Case(f"budget {budget.name}: {words} to burn ({row.speed})", spec.prometheus.step, series_in, (pending,))


def _ledger(
    spec: Spec, cell: Cell, spent: Sequence[tuple[int, Cell, Decimal]], idle: int = 0
) -> Iterator[dict[str, str]]:
    """Of the model, and of its gateway, which was idle for so many steps before. The day is another than that of the
    calendar: what is spent today is put in."""
    day = dict.fromkeys((names.DAY, names.WEEK, names.MONTH), "-1")
    seen, written = [], 0
    for step, _, usd in spent:
        seen += [absent(step - written), number(usd)]
        written = step + 1
    kept = {label: value for label, value in cell.labels if label in spec.prometheus.keep_labels}
    labels = {**traffic.without_type(cell), **day}
    yield input_series(names.cost_of_day(spec.prometheus.step), labels, values(*seen))
    own = {names.GATEWAY: cell.gateway, **kept}
    if idle:
        seen[0] = values(absent(spent[0][0] - idle), constant(0, idle))
    yield input_series(names.gateway_cost(spec.prometheus.step), own, values(*seen))


# ---- Forecasts -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Trial:
    words: str
    spent: Decimal
    """Dollars, in this period."""
    forecast: Decimal
    """What will be spent at its end."""
    known: Duration
    is_pending: bool


_LONG_KNOWN = Duration.parse("2h")


def _trials(spec: Spec, usd: Decimal, remaining: int) -> Iterator[_Trial]:
    half, hardly = usd / 2, KNOWN_AT_LEAST - spec.prometheus.step
    yield _of_the_limit(spec, usd, remaining) or _Trial(
        "hardly within", half, usd * _JUST_UNDER, _LONG_KNOWN, is_pending=False
    )
    yield _Trial("hardly over", half, usd * _JUST_OVER, _LONG_KNOWN, is_pending=True)
    yield _Trial("already over", usd, usd * 2, _LONG_KNOWN, is_pending=False)
    yield _Trial("just known", half, usd * 2, KNOWN_AT_LEAST, is_pending=True)
    yield _Trial("not known for long enough", half, usd * 2, hardly, is_pending=False)


def _of_the_limit(spec: Spec, usd: Decimal, remaining: int) -> _Trial | None:
    """The limit itself, where floats work out exactly: at a pace of a power of two."""
    pace = Decimal(1)
    while pace * remaining > usd / 2:
        pace /= 2
    spent = usd - pace * remaining
    is_whole = _LONG_KNOWN.milliseconds % spec.prometheus.step.milliseconds == 0
    if is_whole and all(map(_is_float, (usd, spent, pace * _LONG_KNOWN.seconds))):
        return _Trial("of the limit", spent, usd, _LONG_KNOWN, is_pending=False)
    return None


def _forecasts(spec: Spec, budget: Budget, period: Period, cell: Cell, end: Duration) -> Iterator[Case]:
    """The forecast is over the limit, and what is spent is not; of other budgets that count it nothing is asked."""
    step = spec.prometheus.step
    remaining = remaining_seconds(spec.prometheus.timezone, period, end.seconds)
    if not remaining:
        return
    now, today = end.milliseconds // step.milliseconds, testgen_calendar.labels(spec, end)
    for trial in _trials(spec, budget.usd, remaining):
        lately = _plain((trial.forecast - trial.spent) * trial.known.seconds / remaining)
        entries = trial.known.milliseconds // step.milliseconds
        spent = traffic.ending(spec, end, number(_plain(trial.spent)))
        series_in = (
            *_ledger(spec, cell, ((now, cell, lately),), idle=entries - 1),
            input_series(_TOTALS[period], {**traffic.without_type(cell), **today}, spent),
        )
        due = [({names.BUDGET: budget.name}, 1)] if trial.is_pending else []
        pending = _pending(names.ALERT_BUDGET_FORECAST, names.BUDGET, budget, end, due)
        yield Case(f"budget {budget.name}: a forecast {trial.words}", step, series_in, (pending,))


def _pending(
    alertname: str, by: str, budget: Budget, at: Duration, due: Sequence[tuple[dict[str, str], int]]
) -> dict[str, object]:
    """Of this budget's alerts: where another one's boundaries lie is nobody's choice."""
    own = eq("alertname", alertname), eq("alertstate", "pending"), eq(names.BUDGET, budget.name)
    return expect(sum_by([by], series("ALERTS", *own).now()), at, due)


def _plain(usd: Decimal) -> Decimal:
    """As many digits as floats tell apart, or all of them where a float has them."""
    return usd.normalize() if _is_float(usd) else Context(prec=12).create_decimal(usd)


def _is_float(usd: Decimal) -> bool:
    """Whether floats have it exactly: so few bits over a power of two."""
    bits, unit = usd.as_integer_ratio()
    return bits < 2**53 and unit & (unit - 1) == 0

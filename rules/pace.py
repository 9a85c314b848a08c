"""The pace of budgets: where a calendar period will end at it, and alerts on a pace that no budget bears for long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, Recording, Rule, RuleGroup
from tollbook.gen.pacing import FORECAST_HOLD, KNOWN_AT_LEAST, LOOK_BACK, BurnRow, burn_rows, windows
from tollbook.gen.promql import (
    Expr,
    aggregate,
    binary,
    both,
    call,
    count_of_steps,
    either,
    eq,
    none_of,
    number,
    scalar,
    series,
)
from tollbook.gen.promql_moments import wall_clock
from tollbook.gen.spec import Budget, Burn, Period, Spec
from tollbook.gen.timezones import utc_offset_changes
from tollbook.rules.budget_facts import FORECAST, routing_labels
from tollbook.rules.budgets import (
    Shape,
    dollars_of,
    kind_of,
    limit,
    limit_in_words,
    of_each,
    recorded,
    shapes,
    spenders,
    subject,
)
from tollbook.rules.selectors import facts

_DAY_SECONDS = 86_400
#: 1970-01-01 was a Thursday: three days into its ISO week.
_INTO_THE_WEEK = 3 * _DAY_SECONDS

_WHAT_TO_DO = {
    Burn.FAST: "Something runs away: find it and stop it now.",
    Burn.SLOW: "At this pace the budget does not last: find out who spends, limit them or raise amount in the spec.",
}


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    periods = [period for period in Period if any(budget.period is period for budget in spec.budgets)]
    look_backs = dict.fromkeys(LOOK_BACK[period] for period in periods)
    rules: list[Rule] = [_remaining(spec, period) for period in periods]
    rules += [_known(spec, window) for window in look_backs]
    rules += [_increase(spec, window) for window in _windows(spec.budgets)]
    rules += [rule for shape in shapes(spec) for rule in _of_shape(spec, shape)]
    if not rules:
        return ()
    return (RuleGroup(f"{names.GROUP_PREFIX}.pace", spec.prometheus.step, tuple(rules), home="pace"),)


def _windows(budgets: Iterable[Budget]) -> list[Duration]:
    return sorted({window for budget in budgets for window in windows(budget)})


def _increase(spec: Spec, window: Duration) -> Recording:
    """Zero where nothing was spent."""
    terms = (
        kind_of(shape, either(dollars_of(spec, shape, window), binary(scalar(0), "*", limit(shape))))
        for shape in shapes(spec)
        if window in _windows(shape.of(spec))
    )
    return Recording(names.budget_increase(window), either(*terms), note=f"Dollars of the last {window}.")


def _of_shape(spec: Spec, shape: Shape) -> Iterator[Rule]:
    budgets = shape.of(spec)
    if isinstance(shape.period, Period):
        yield _forecast(spec, shape, shape.period)
        if any(budget.forecast is not None for budget in budgets):
            yield _over_limit(spec, shape, shape.period)
    rows = dict.fromkeys(row for budget in budgets for row in burn_rows(budget))
    yield from (_burn(spec, shape, row) for row in rows)


def _watching(spec: Spec, shape: Shape, watch: str) -> Expr:
    """One series for each budget that is watched so, with its severity and the labels to route by."""
    watched = facts(spec, names.BUDGET_WATCH, *shape.matchers, eq(names.WATCH, watch))
    told = (names.SEVERITY, *routing_labels(spec))
    return of_each(shape, watched, told, watched)


# ---- Forecasts -------------------------------------------------------------------------------------------------------


def _remaining(spec: Spec, period: Period) -> Recording:
    """By the wall clock: a change of the clocks that is still ahead in the period makes it wrong by that change, an
    hour, until it has come. At the end sharp nothing remains, as the step that ends there belongs to what it ends."""
    zone = utc_offset_changes(spec.prometheus.timezone)
    now = wall_clock(*zone)
    remaining = {
        Period.DAY: _until_next(now, _DAY_SECONDS),
        Period.WEEK: _until_next(binary(now, "+", scalar(_INTO_THE_WEEK)), 7 * _DAY_SECONDS),
        # PromQL's calendar cuts off fractions, up where they are before 1970.
        Period.MONTH: _month_remaining(now, call("floor", wall_clock(*zone, early=Duration(1)))),
    }[period]
    note = f"Until the {period} ends in {spec.prometheus.timezone}; wrong by an hour while a change of clocks is ahead."
    return Recording(names.PERIOD_REMAINING, remaining, {names.PERIOD: period.value}, note)


def _until_next(moment: Expr, length: int) -> Expr:
    gone = binary(moment, "%", scalar(length))
    return binary(binary(scalar(length), "-", gone), "%", scalar(length))


def _month_remaining(now: Expr, date: Expr) -> Expr:
    days_ahead = binary(call("days_in_month", date), "-", call("day_of_month", date))
    return binary(binary(days_ahead, "*", scalar(_DAY_SECONDS)), "+", _until_next(now, _DAY_SECONDS))


def _known(spec: Spec, window: Duration) -> Recording:
    """A gateway's dollars are recorded at every step while it is watched, whatever is spent and whichever budgets there
    are: a new budget looks back on all that was spent before it, and a new ledger on no more than it has seen."""
    step_seconds = scalar(Decimal(spec.prometheus.step.milliseconds) / 1000)
    entries = count_of_steps(series(names.gateway_cost(spec.prometheus.step)), window)
    steps = aggregate("max", entries, (names.GATEWAY,))
    return Recording(
        names.ledger_seconds(window), binary(steps, "*", step_seconds), note="How much of the window is known."
    )


def _known_of(spec: Spec, shape: Shape, window: Duration) -> Expr:
    """A gateway that joined later than others spends at a pace that is taken too low until the window is over."""
    seconds = series(names.ledger_seconds(window)).now()
    of_all = binary(binary(scalar(0), "*", limit(shape)), "+", aggregate("max", seconds), on=(), group_left=())
    if not any(names.GATEWAY in budget.counts_by for budget in shape.of(spec)):
        return of_all
    counted = facts(spec, names.BUDGET_SCOPE, *shape.matchers, none_of(names.GATEWAY, [""])).now()
    scope = aggregate("group", counted, tuple(dict.fromkeys([*shape.by, names.GATEWAY])))
    of_gateways = aggregate("max", seconds, (names.GATEWAY,))
    by_gateway = binary(scope, "*", of_gateways, on=(names.GATEWAY,), group_left=())
    return either(aggregate("max", by_gateway, shape.by), of_all)


def _forecast(spec: Spec, shape: Shape, period: Period) -> Recording:
    """Spent so far, and the pace of the look-back window for as long as the period still lasts."""
    window = LOOK_BACK[period]
    remaining = series(names.PERIOD_REMAINING, eq(names.PERIOD, period.value)).now()
    pace = binary(recorded(names.budget_increase(window), shape), "/", _known_of(spec, shape, window))
    ahead = binary(pace, "*", aggregate("max", remaining), on=(), group_left=())
    forecast = binary(recorded(names.BUDGET_SPENT, shape), "+", ahead)
    note = f"Spent, and for the rest of the {period} the pace of the last {window}."
    return Recording(names.BUDGET_FORECAST, forecast, shape.labels, note)


def _over_limit(spec: Spec, shape: Shape, period: Period) -> Alert:
    window = LOOK_BACK[period]
    over = binary(recorded(names.BUDGET_FORECAST, shape), ">", limit(shape))
    within = binary(recorded(names.BUDGET_SPENT, shape), "<", limit(shape))
    is_known = binary(_known_of(spec, shape, window), ">=", scalar(KNOWN_AT_LEAST.seconds))
    told = both(both(over, within), is_known)
    return Alert(
        alert=alert_names.BUDGET_FORECAST,
        expr=binary(_watching(spec, shape, FORECAST), "*", told, on=shape.by, group_left=()),
        hold=FORECAST_HOLD,
        labels=shape.labels,
        annotations={
            "summary": "LLM spend will be over its budget when the period ends.",
            "description": (
                f"{subject(shape)}: {value(decimals=2)} of {limit_in_words(shape)} USD will be spent when the {period} "
                f"ends, at the pace of the last {window}. There is time to act: limit those who spend, or raise "
                f"amount in the spec. Top spenders of the last {window}:{spenders(spec, shape, window)}"
            ),
        },
    )


# ---- Burn ------------------------------------------------------------------------------------------------------------


def _burn(spec: Spec, shape: Shape, row: BurnRow) -> Alert:
    """The value is what was spent within the long window."""
    share = binary(limit(shape), "*", scalar(Decimal(row.percent) / 100))
    spent = binary(recorded(names.budget_increase(row.long), shape), ">=", share)
    lately = binary(recorded(names.budget_increase(row.short), shape), "*", scalar(row.shorts_in_long))
    burns = both(spent, binary(lately, ">=", share))
    return Alert(
        alert=alert_names.BUDGET_BURN,
        expr=binary(_watching(spec, shape, row.speed.value), "*", burns, on=shape.by, group_left=()),
        hold=row.hold,
        labels={**shape.labels, names.BURN: row.speed.value},
        annotations={
            "summary": "LLM spend burns its budget far faster than the budget allows.",
            "description": (
                f"{subject(shape)}: {value(decimals=2)} USD spent in the last {row.long}, at or over "
                f"{number(row.percent)} percent of {limit_in_words(shape)} USD {_each(shape.period)}, and it goes on. "
                f"{_WHAT_TO_DO[row.speed]} Top spenders of the last {row.long}:{spenders(spec, shape, row.long)}"
            ),
        },
    )


def _each(period: Period | Duration) -> str:
    return f"a {period}" if isinstance(period, Period) else f"in {period}"

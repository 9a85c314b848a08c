"""The pace of budgets: where a calendar period will end at it, and alerts on a pace that no budget bears for long."""

from __future__ import annotations

from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.annotations import literal, value
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
    eq,
    number,
    scalar,
    series,
    wall_clock,
)
from tollbook.gen.spec import Budget, Burn, Period, Spec
from tollbook.gen.timezones import utc_offset_changes
from tollbook.rules.budgets import alert_labels, dollars_within, limit, recorded, spenders_within

_DAY_SECONDS = 86_400
#: 1970-01-01 was a Thursday: three days into its ISO week.
_INTO_THE_WEEK = 3 * _DAY_SECONDS

_WHAT_TO_DO = {
    Burn.FAST: "Something runs away: find it and stop it now.",
    Burn.SLOW: "At this pace the budget does not last: find out who spends, and limit them or raise usd in the spec.",
}


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    periods = [period for period in Period if any(budget.period is period for budget in spec.budgets)]
    look_backs = dict.fromkeys(LOOK_BACK[period] for period in periods)
    rules: list[Rule] = [_remaining(spec, period) for period in periods]
    rules += [_known(spec, window) for window in look_backs]
    rules += [rule for budget in spec.budgets for rule in _of_budget(spec, budget)]
    if not rules:
        return ()
    return (RuleGroup(f"{names.GROUP_PREFIX}.pace", spec.prometheus.step, tuple(rules), home="pace"),)


def _of_budget(spec: Spec, budget: Budget) -> list[Rule]:
    rules: list[Rule] = []
    for window in windows(budget):
        record = names.budget_increase(window)
        dollars, labels = dollars_within(spec, budget, window), {names.BUDGET: budget.name}
        rules.append(Recording(record, dollars, labels, f"Dollars of the last {window}."))
    if isinstance(budget.period, Period):
        rules.append(_forecast(budget, budget.period))
        if budget.forecast is not None:
            rules.append(_over_limit(spec, budget, budget.period, budget.forecast))
    return [*rules, *(_burn(spec, budget, row) for row in burn_rows(budget))]


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
    """A gateway's cost is recorded with every step in which it is watched, whatever is spent and whichever budgets are
    there: a new budget looks back on all that was spent before it, and a new ledger on no more than it has seen. Of
    gateways of one name in several clusters the one watched longest counts."""
    step_seconds = scalar(Decimal(spec.prometheus.step.milliseconds) / 1000)
    steps = aggregate("max", count_of_steps(series(names.gateway_cost(spec.prometheus.step)), window), (names.GATEWAY,))
    return Recording(
        names.ledger_seconds(window), binary(steps, "*", step_seconds), note="How much of the window is known."
    )


def _known_of(budget: Budget, window: Duration) -> Expr:
    """A gateway that joined later than others spends at a pace that is taken too low until the window is over."""
    gateway = [eq(names.GATEWAY, value) for label, value in budget.match.items() if label == names.GATEWAY]
    return aggregate("max", series(names.ledger_seconds(window), *gateway).now())


def _forecast(budget: Budget, period: Period) -> Recording:
    """Spent so far, and the pace of the look-back window for as long as the period still lasts."""
    window = LOOK_BACK[period]
    remaining = series(names.PERIOD_REMAINING, eq(names.PERIOD, period.value)).now()
    per_known = binary(
        recorded(names.budget_increase(window), budget), "/", _known_of(budget, window), on=(), group_left=()
    )
    ahead = binary(per_known, "*", remaining, on=(), group_left=())
    forecast = binary(recorded(names.BUDGET_SPENT, budget), "+", ahead)
    note = f"Spent, and for the rest of the {period} the pace of the last {window}."
    return Recording(names.BUDGET_FORECAST, forecast, {names.BUDGET: budget.name}, note)


def _over_limit(spec: Spec, budget: Budget, period: Period, severity: str) -> Alert:
    window = LOOK_BACK[period]
    over = binary(recorded(names.BUDGET_FORECAST, budget), ">", limit(budget))
    within = binary(recorded(names.BUDGET_SPENT, budget), "<", limit(budget))
    is_known = binary(_known_of(budget, window), ">=", scalar(KNOWN_AT_LEAST.seconds))
    return Alert(
        alert=names.ALERT_BUDGET_FORECAST,
        expr=both(both(over, within), is_known, on=()),
        hold=FORECAST_HOLD,
        labels=alert_labels(budget, severity, {}),
        annotations={
            "summary": "LLM spend will be over its budget when the period ends.",
            "description": (
                f"Budget {literal(budget.name)}: {value(decimals=2)} of {number(budget.usd)} USD will be spent when "
                f"the {period} ends, at the pace of the last {window}. There is time to act: limit those who spend, "
                f"or raise usd in the spec. Top spenders of the last {window}:{spenders_within(spec, budget, window)}"
            ),
        },
    )


# ---- Burn ------------------------------------------------------------------------------------------------------------


def _burn(spec: Spec, budget: Budget, row: BurnRow) -> Alert:
    """The value is what was spent within the long window."""
    share = binary(limit(budget), "*", scalar(Decimal(row.percent) / 100))
    spent = binary(recorded(names.budget_increase(row.long), budget), ">=", share)
    lately = binary(recorded(names.budget_increase(row.short), budget), "*", scalar(row.shorts_in_long))
    return Alert(
        alert=names.ALERT_BUDGET_BURN,
        expr=both(spent, binary(lately, ">=", share)),
        hold=row.hold,
        labels=alert_labels(budget, budget.burn[row.speed], {names.BURN: row.speed.value}),
        annotations={
            "summary": "LLM spend burns its budget far faster than the budget allows.",
            "description": (
                f"Budget {literal(budget.name)}: {value(decimals=2)} USD spent in the last {row.long}, at or over "
                f"{number(row.percent)} percent of {number(budget.usd)} USD {_each(budget)}, and it goes on. "
                f"{_WHAT_TO_DO[row.speed]} Top spenders of the last {row.long}:"
                f"{spenders_within(spec, budget, row.long)}"
            ),
        },
    )


def _each(budget: Budget) -> str:
    return f"a {budget.period}" if isinstance(budget.period, Period) else f"in {budget.period}"

"""Budgets: what may be spent, what was spent and by whom, and an alert at each threshold."""

from __future__ import annotations

from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.annotations import listed, literal, row_label, row_value, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, Recording, RuleGroup
from tollbook.gen.promql import (
    Expr,
    Matcher,
    aggregate,
    binary,
    either,
    eq,
    highest,
    number,
    scalar,
    series,
    sum_by,
    sum_of_steps,
    vector,
)
from tollbook.gen.spec import Budget, Period, Spec, Threshold
from tollbook.rules.calendar import spent_in

PERIOD_WORDS = {Period.DAY: "today", Period.WEEK: "this week", Period.MONTH: "this month"}

#: As many as are worth a look in the middle of the night.
SPENDERS = 3


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    if not spec.budgets:
        return ()
    rules: list[Recording | Alert] = []
    for budget in spec.budgets:
        labels = {names.BUDGET: budget.name}
        rules.append(Recording(names.BUDGET_LIMIT, vector(budget.usd), labels, "Dollars that may be spent."))
        rules.append(Recording(names.BUDGET_SPENT, _spent(spec, budget), labels, "What was spent of them."))
        rules.extend(_alert(spec, budget, threshold) for threshold in budget.thresholds)
    return (RuleGroup(f"{names.GROUP_PREFIX}.budgets", spec.prometheus.step, tuple(rules), home="budgets"),)


def _spent(spec: Spec, budget: Budget) -> Expr:
    if isinstance(budget.period, Duration):
        return dollars_within(spec, budget, budget.period)
    return _total(_to_date(spec, budget, budget.period), _while_known())


def _alert(spec: Spec, budget: Budget, threshold: Threshold) -> Alert:
    """Fires while spent / limit is at or over the percentage; the value is what was spent."""
    share = scalar(threshold.percent / Decimal(100))
    reached = binary(recorded(names.BUDGET_SPENT, budget), ">=", binary(limit(budget), "*", share))
    percent = number(threshold.percent)
    if isinstance(budget.period, Duration):
        by_spender, words = spenders_within(spec, budget, budget.period), f"in the last {budget.period}"
    else:
        by_spender, words = _top(spec, _to_date(spec, budget, budget.period)), PERIOD_WORDS[budget.period]
    return Alert(
        alert=names.ALERT_BUDGET,
        expr=reached,
        hold=Duration(0),
        labels=alert_labels(budget, threshold.severity, {names.THRESHOLD: percent}),
        annotations={
            "summary": "LLM spend has reached a threshold of its budget.",
            "description": (
                f"Budget {literal(budget.name)}: {value(decimals=2)} of {number(budget.usd)} USD spent "
                f"{words}, at or over {percent} percent. If this is not meant, stop or limit those who spend; if it "
                f"is, raise usd in the spec. Top spenders:{by_spender}"
            ),
        },
    )


# ---- What a budget counts --------------------------------------------------------------------------------------------


def matchers(budget: Budget) -> tuple[Matcher, ...]:
    return tuple(eq(label, value) for label, value in budget.match.items())


def dollars_within(spec: Spec, budget: Budget, window: Duration) -> Expr:
    """One series; zero where nothing was spent: a budget that has no series could never fire."""
    of_gateways = set(budget.match) <= {names.GATEWAY}
    record = names.gateway_cost if of_gateways else names.cost_of_day
    return _total(sum_of_steps(series(record(spec.prometheus.step), *matchers(budget)), window), vector(0))


def _to_date(spec: Spec, budget: Budget, period: Period) -> Expr:
    return spent_in(spec, period, *matchers(budget))


def _total(dollars: Expr, zero: Expr) -> Expr:
    return either(sum_by((), dollars), zero)


def _while_known() -> Expr:
    """Zero, and nothing after an outage until this period's dollars are known again."""
    return binary(scalar(0), "*", aggregate("group", series(names.CALENDAR).now()))


# ---- How its alerts speak --------------------------------------------------------------------------------------------


def spenders_within(spec: Spec, budget: Budget, window: Duration) -> str:
    """The list of those who spent most of it, as the end of a text."""
    return _top(spec, sum_of_steps(series(names.cost_of_day(spec.prometheus.step), *matchers(budget)), window))


def _top(spec: Spec, dollars: Expr) -> str:
    attribution = [entry.label for entry in spec.attribution]
    spent = binary(sum_by((names.GATEWAY, names.PROVIDER, names.MODEL, *attribution), dollars), ">", scalar(0))
    row = f"\n- {row_value(decimals=2)} USD" + "".join(
        (
            row_label(": gateway ", names.GATEWAY),
            row_label(", provider ", names.PROVIDER),
            row_label(", model ", names.MODEL),
            *(row_label(f", {name} ", name) for name in attribution),
        )
    )
    return listed(highest(SPENDERS, spent), row)


def recorded(record: str, budget: Budget) -> Expr:
    return series(record, eq(names.BUDGET, budget.name)).now()


def limit(budget: Budget) -> Expr:
    return recorded(names.BUDGET_LIMIT, budget)


def alert_labels(budget: Budget, severity: str, also: dict[str, str]) -> dict[str, str]:
    return {
        **{label: literal(text) for label, text in budget.labels.items()},
        names.BUDGET: literal(budget.name),
        names.SEVERITY: severity,
        **also,
    }

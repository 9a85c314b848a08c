"""Budgets: what may be spent, what was spent, and an alert at each threshold."""

from __future__ import annotations

from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.annotations import literal, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, Recording, RuleGroup
from tollbook.gen.promql import Expr, binary, either, eq, number, scalar, series, sum_by, sum_of_steps, vector
from tollbook.gen.spec import Budget, Period, Spec, Threshold

TO_DATE = {
    Period.DAY: names.DAY_TO_DATE,
    Period.WEEK: names.WEEK_TO_DATE,
    Period.MONTH: names.MONTH_TO_DATE,
}
PERIOD_WORDS = {Period.DAY: "today", Period.WEEK: "this week", Period.MONTH: "this month"}


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    if not spec.budgets:
        return ()
    rules: list[Recording | Alert] = []
    for budget in spec.budgets:
        labels = {names.BUDGET: budget.name}
        rules.append(Recording(names.BUDGET_LIMIT, vector(budget.usd), labels))
        rules.append(Recording(names.BUDGET_SPENT, _spent(spec, budget), labels))
        rules.extend(_alert(budget, threshold) for threshold in budget.thresholds)
    return (RuleGroup(f"{names.GROUP_PREFIX}.budgets", spec.prometheus.step, tuple(rules), home="budgets"),)


def _spent(spec: Spec, budget: Budget) -> Expr:
    """Zero where nothing was spent: a budget that has no series could never fire."""
    matchers = [eq(label, value) for label, value in budget.match.items()]
    if isinstance(budget.period, Duration):
        dollars = sum_of_steps(series(names.cost_of_day(spec.prometheus.step), *matchers), budget.period)
    else:
        dollars = series(TO_DATE[budget.period], *matchers).now()
    return either(sum_by((), dollars), vector(0))


def _alert(budget: Budget, threshold: Threshold) -> Alert:
    """Fires while spent / limit is at or over the percentage; the value is what was spent."""
    own = eq(names.BUDGET, budget.name)
    limit = series(names.BUDGET_LIMIT, own).now()
    share = scalar(threshold.percent / Decimal(100))
    reached = binary(series(names.BUDGET_SPENT, own).now(), ">=", binary(limit, "*", share))
    percent = number(threshold.percent)
    return Alert(
        alert=names.ALERT_BUDGET,
        expr=reached,
        hold=Duration(0),
        labels={
            **{label: literal(text) for label, text in budget.labels.items()},
            names.BUDGET: literal(budget.name),
            names.SEVERITY: threshold.severity,
            names.THRESHOLD: percent,
        },
        annotations={
            "summary": "LLM spend has reached a threshold of its budget.",
            "description": (
                f"Budget {literal(budget.name)}: {value(decimals=2)} of {number(budget.usd)} USD spent "
                f"{_period_words(budget)}, at or over {percent} percent."
            ),
        },
    )


def _period_words(budget: Budget) -> str:
    if isinstance(budget.period, Duration):
        return f"in the last {budget.period}"
    return PERIOD_WORDS[budget.period]

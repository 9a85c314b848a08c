"""The first row: what was spent in the periods people are held to, whether that is all, and what of each budget."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tollbook.dashboards import queries, trust
from tollbook.dashboards.style import (
    GREEN,
    ORANGE,
    RED,
    SHARE,
    USD,
    USD_ROUND,
    YELLOW,
    About,
    Column,
    Line,
    Row,
    Steps,
    gauges,
    lines,
    stat,
    table,
)
from tollbook.gen import names
from tollbook.gen.spec import Budget, Spec

SEVERITY_COLORS = {"critical": RED, "warning": ORANGE, "info": YELLOW, "none": YELLOW}

CHECK_LEDGER = (
    "`no data` means that the ledger is not written: look at *Gateways watched*. Too low a figure usually means "
    "tokens without a price: look at *Unpriced tokens*."
)
CHECK_BUDGET = (
    "no data means that the rules of the budgets are not loaded. What counts toward a budget is its `match` in the "
    "spec."
)


def row(spec: Spec) -> Row:
    spent = [day_so_far(spec), week_so_far(spec), month_so_far(spec), last_hour(spec)]
    lines_ = [Line(5, [*spent, trust.unpriced(spec), trust.gateways_watched(spec)])]
    if spec.budgets:
        lines_.append(Line(8, [budgets_used(spec), budget_table(), budgets_over_time(spec)]))
    return Row("Spend so far", lines_)


def day_so_far(spec: Spec) -> Any:
    return _to_date(spec, "Today", "midnight", names.DAY_TO_DATE)


def week_so_far(spec: Spec) -> Any:
    return _to_date(spec, "This week", "Monday, 00:00", names.WEEK_TO_DATE)


def month_so_far(spec: Spec) -> Any:
    return _to_date(spec, "This month", "the first of the month, 00:00", names.MONTH_TO_DATE)


def _to_date(spec: Spec, title: str, since: str, record: str) -> Any:
    shows = f"Dollars spent since {since} ({spec.prometheus.timezone}), at list price."
    about = About(shows, [record], CHECK_LEDGER)
    return stat(title, about, queries.spend_to_date(spec, record), USD)


def last_hour(spec: Spec) -> Any:
    about = About("Dollars spent in the sixty minutes up to now, at list price.", [names.COST_1H], CHECK_LEDGER)
    return stat("Last hour", about, queries.spend_of_last_hour(spec), USD)


def budgets_used(spec: Spec) -> Any:
    shows = (
        "The share of each budget that is spent in its current period. The colours change at the thresholds that also "
        "alert. The filters at the top do not narrow budgets."
    )
    about = About(shows, [names.BUDGET_SPENT, names.BUDGET_LIMIT], CHECK_BUDGET)
    steps = {budget.name: _steps(budget) for budget in spec.budgets}
    return gauges("Budgets used", about, queries.budget_shares(), f"{{{{{names.BUDGET}}}}}", steps)


def _steps(budget: Budget) -> Steps:
    """Green below the first threshold, red from the limit on unless a threshold says otherwise."""
    alerting = {_share(at.percent): SEVERITY_COLORS.get(at.severity, ORANGE) for at in budget.thresholds}
    return Steps(GREEN, {1: RED} | alerting)


def _share(percent: Decimal) -> float:
    """A share of a budget, not money: Grafana's thresholds are JSON numbers."""
    numerator, denominator = percent.as_integer_ratio()
    return numerator / (100 * denominator)


def budget_table() -> Any:
    shows = (
        "Each budget in dollars: its limit, what was spent in the current period, and what is left (negative when "
        "overspent). The filters at the top do not narrow budgets."
    )
    about = About(shows, [names.BUDGET_LIMIT, names.BUDGET_SPENT], CHECK_BUDGET)
    exprs = (queries.budget_limits(), queries.budget_spent(), queries.budget_left(), queries.budget_shares())
    columns = (
        Column(names.BUDGET, "Budget"),
        Column("Value #A", "Limit", USD_ROUND),
        Column("Value #B", "Spent", USD_ROUND),
        Column("Value #C", "Left", USD_ROUND),
        Column("Value #D", "Used", SHARE),
    )
    return table("Budgets", about, exprs, columns, sort="Used")


def budgets_over_time(spec: Spec) -> Any:
    shows = (
        "The share of each budget that was spent, as it grew. The dashed line is the limit. A calendar budget falls to "
        "zero where its next period begins; a rolling one falls as old spending leaves its window."
    )
    about = About(shows, [names.BUDGET_SPENT, names.BUDGET_LIMIT], CHECK_BUDGET)
    exprs = {f"{{{{{names.BUDGET}}}}}": queries.budget_shares()}
    narrowest = queries.bar_width_floor(spec.prometheus.step)
    return lines("Budgets over time", about, exprs, SHARE, narrowest, limit=1)

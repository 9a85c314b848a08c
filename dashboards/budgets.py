"""The row of budgets, where there are any: each with what is left, at which pace it goes, and until when it lasts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tollbook.dashboards import queries_budgets as queries
from tollbook.dashboards.grid import Line, Row
from tollbook.dashboards.style import (
    GREEN,
    MOMENT,
    ORANGE,
    RED,
    SHARE,
    USD_ROUND,
    YELLOW,
    About,
    Column,
    Steps,
    gauges,
    lines,
    stat,
    table,
)
from tollbook.dashboards.sums import bar_width_floor
from tollbook.dashboards.wording import panel, runbook
from tollbook.gen import names
from tollbook.gen.promql import Expr
from tollbook.gen.spec import Budget, Period, Spec

SEVERITY_COLORS = {"critical": RED, "warning": ORANGE, "info": YELLOW, "none": YELLOW}

CHECK_BUDGET = (
    "no data means that the rules of the budgets are not loaded. What counts toward a budget is its `match` in the "
    "spec. Red: find who spends under *Top spenders*, then limit them or raise `amount`."
)
NOT_FILTERED = "The filters at the top do not narrow budgets."


LEGEND = f"{{{{{names.BUDGET}}}}}"


def row(spec: Spec) -> Row | None:
    if not spec.budgets:
        return None
    burns = queries.burns(spec)
    return Row(
        "Budgets",
        [
            Line(9, [budgets_used(spec), budget_table(spec)], widths=(7, 17)),
            Line(8, [budgets_over_time(spec), *([burn(spec, burns)] if burns else [])]),
        ],
    )


def lights(spec: Spec) -> list[Any]:
    """The budgets' part of the overview."""
    if not spec.budgets:
        return []
    monthly = queries.calendar_budgets(spec, Period.MONTH)
    return [fullest(spec), *([month_forecast(spec, monthly)] if monthly else [])]


def fullest(spec: Spec) -> Any:
    about = About(
        f"The budget of whose limit the largest share is spent. Orange from 80 %, red at the limit. {NOT_FILTERED}",
        [names.BUDGET_SPENT, names.BUDGET_LIMIT],
        CHECK_BUDGET,
        [panel("Budgets used"), runbook(spec, "budgets")],
    )
    return stat(
        "Fullest budget", about, queries.fullest_budget(spec), SHARE, Steps(GREEN, {0.8: ORANGE, 1: RED}), LEGEND
    )


def month_forecast(spec: Spec, monthly: list[Budget]) -> Any:
    """Of the budget over everything, where there is one."""
    shown = [budget for budget in monthly if not budget.match and not budget.per][:1] or monthly
    is_one = len(shown) == 1 and not shown[0].per
    about = About(
        "What the monthly budget will have spent when the month ends: spent so far, and the pace of the last seven "
        f"days for the rest of it. Red above the limit. {NOT_FILTERED}",
        [names.BUDGET_FORECAST],
        CHECK_BUDGET,
        [panel("Budgets used"), runbook(spec, "pace")],
    )
    steps = Steps(GREEN, {_number(shown[0].amount): RED}) if is_one else Steps()
    shown_as = "" if is_one else LEGEND
    return stat("Forecast of the month", about, queries.budget_forecasts(spec, shown), USD_ROUND, steps, shown_as)


def budgets_used(spec: Spec) -> Any:
    shows = (
        "The share of each budget that is spent in its current period. The colours change at the thresholds that also "
        f"alert. {NOT_FILTERED}"
    )
    about = About(shows, [names.BUDGET_SPENT, names.BUDGET_LIMIT], CHECK_BUDGET, [runbook(spec, "budgets")])
    steps = {budget.name: _steps(budget) for budget in spec.budgets}
    return gauges("Budgets used", about, queries.budget_shares(spec), LEGEND, steps)


def _steps(budget: Budget) -> Steps:
    """Green below the first threshold, red from the limit on unless a threshold says otherwise."""
    alerting = {_number(at.percent / 100): SEVERITY_COLORS.get(at.severity, ORANGE) for at in budget.thresholds}
    return Steps(GREEN, {1: RED} | alerting)


def _number(value: Decimal) -> float:
    """Grafana's thresholds are JSON numbers: where a colour changes, not money that is counted."""
    numerator, denominator = value.as_integer_ratio()
    return numerator / denominator


def budget_table(spec: Spec) -> Any:
    records = [names.BUDGET_LIMIT, names.BUDGET_SPENT]
    shows = (
        "Each budget in dollars: its limit, what was spent in the current period, what is left (negative when "
        "overspent), and the pace in dollars a day."
    )
    exprs = [
        queries.budget_limits(spec),
        queries.budget_spent(spec),
        queries.budget_left(spec),
        queries.budget_shares(spec),
    ]
    exprs.append(queries.budget_paces(spec))
    columns = [
        Column(names.BUDGET, "Budget"),
        Column("Value #A", "Limit", USD_ROUND),
        Column("Value #B", "Spent", USD_ROUND),
        Column("Value #C", "Left", USD_ROUND),
        Column("Value #D", "Used", SHARE),
        Column("Value #E", "A day", USD_ROUND),
    ]
    if queries.has_forecast(spec):
        records += [names.BUDGET_FORECAST, names.PERIOD_REMAINING]
        shows += (
            " Calendar budgets have a forecast of their period's end, and those that will not last the moment at which "
            "the money runs out. Empty is good there: it lasts."
        )
        exprs += [queries.budget_forecasts(spec), queries.run_out(spec)]
        columns += [Column("Value #F", "Forecast", USD_ROUND), Column("Value #G", "Runs out", MOMENT)]
    about = About(f"{shows} {NOT_FILTERED}", records, CHECK_BUDGET, [runbook(spec, "pace")])
    return table("Budgets in dollars", about, exprs, columns, sort="Used")


def budgets_over_time(spec: Spec) -> Any:
    shows = (
        "The share of each budget that was spent, as it grew. The dashed line is the limit. A calendar budget falls to "
        "zero where its next period begins; a rolling one falls as old spending leaves its window."
    )
    about = About(shows, [names.BUDGET_SPENT, names.BUDGET_LIMIT], CHECK_BUDGET, [runbook(spec, "budgets")])
    exprs = {LEGEND: queries.budget_shares(spec)}
    return lines("Budgets over time", about, exprs, SHARE, bar_width_floor(spec.prometheus.step), limit=1)


def burn(spec: Spec, burns: Expr) -> Any:
    about = About(
        "How near each budget is to its burn alerts, which tell of spending far above an even pace: at the dashed line "
        "they are reached, and fire when that goes on. *fast* looks at the last hour or less, *slow* at several.",
        [*queries.burn_records(spec), names.BUDGET_LIMIT],
        "above the line something runs away: find it under *Top spenders* with a time range of an hour, and stop it.",
        [runbook(spec, "pace"), panel("Top spenders by $group_by")],
    )
    exprs = {f"{LEGEND}, {{{{{names.BURN}}}}}": burns}
    return lines("Burn of budgets", about, exprs, SHARE, bar_width_floor(spec.prometheus.step), limit=1)

"""The first row: what was spent in the periods people are held to, whether that is more than before and will hold, and
whether it is all."""

from __future__ import annotations

from typing import Any

from tollbook.dashboards import budgets, queries, trust
from tollbook.dashboards.grid import Line, Row
from tollbook.dashboards.style import SHARE, USD, About, stat
from tollbook.gen import names
from tollbook.gen.spec import Spec

CHECK_LEDGER = (
    "`no data` means that the ledger is not written: look at *Gateways watched*. Too low a figure usually means "
    "tokens without a price: look at *Unpriced share*."
)
CHECK_CHANGE = (
    "*nothing before* means that the ledger holds nothing of that time: it was not kept yet, or nothing was spent. "
    "*Top spenders* tells who is behind a change."
)


def row(spec: Spec) -> Row:
    spent = [day_so_far(spec), week_so_far(spec), month_so_far(spec), month_at_this_pace(spec)]
    changes = [change_on_yesterday(spec), change_on_last_week(spec), change_on_last_month(spec)]
    budgets_ = budgets.lights(spec) or [last_hour(spec)]
    return Row(
        "At a glance",
        [
            Line(5, [*spent, trust.unpriced_share(spec), trust.gateways_watched(spec)]),
            Line(5, [*changes, *budgets_, trust.age(spec)]),
        ],
    )


# ---- Spent -----------------------------------------------------------------------------------------------------


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
    records = [names.cost(spec.prometheus.step)]
    about = About("Dollars spent in the sixty minutes up to now, at list price.", records, CHECK_LEDGER)
    return stat("Last hour", about, queries.spend_of_last_hour(spec), USD)


def month_at_this_pace(spec: Spec) -> Any:
    days, step = queries.DAYS_AT_PACE, spec.prometheus.step
    about = About(
        f"What {days} days would cost at the pace of the last seven, or of as much of them as the ledger was kept. It "
        "follows the filters; the forecasts of budgets do not.",
        [names.cost(step), names.gateway_cost(step)],
        "in the first hours of a new installation a pace is guesswork. " + CHECK_LEDGER,
    )
    return stat(f"{days} days at this pace", about, queries.month_at_this_pace(spec), USD)


# ---- Changes ---------------------------------------------------------------------------------------------------


def change_on_yesterday(spec: Spec) -> Any:
    shows = "Today so far, against yesterday up to the same hour; on the day after a change of the clocks an hour off."
    expr = queries.change_on_yesterday(spec)
    return _change("Today against yesterday", shows, [names.DAY_TO_DATE], expr)


def change_on_last_week(spec: Spec) -> Any:
    shows = "This week so far, against last week up to the same day and hour."
    expr = queries.change_on_last_week(spec)
    return _change("This week against last", shows, [names.WEEK_TO_DATE], expr)


def change_on_last_month(spec: Spec) -> Any:
    shows = (
        "This month so far, against last month up to the same day and hour. On days that last month did not have, such "
        "as the 31st, there is nothing to compare with."
    )
    expr = queries.change_on_last_month(spec)
    return _change("This month against last", shows, [names.MONTH_TO_DATE, names.CALENDAR], expr)


def _change(title: str, shows: str, records: list[str], expr: Any) -> Any:
    about = About(f"{shows} 0 % is as much as then, 100 % twice as much.", records, CHECK_CHANGE)
    return stat(title, about, expr, SHARE, absent="nothing before")

"""Calendar periods in the spec's time zone: dollars since local midnight, since Monday, since the first of the month.

Rolling windows are not periods, and PromQL has no ranges of changing length. So the clock becomes labels, each step's
dollars carry them, and a period is the sum over those that carry today's: no state that a restart could lose.
"""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.model import Recording
from tollbook.gen.promql import (
    Expr,
    Selector,
    binary,
    both,
    call,
    count_values,
    either,
    scalar,
    series,
    subquery,
    sum_by,
    sum_of_steps,
    sum_without,
    wall_clock,
)
from tollbook.gen.spec import Spec
from tollbook.gen.timezones import utc_offset_changes

#: The longest each period can be: an hour more than its days, where clocks are set back.
LONGEST_DAY = Duration.parse("25h")
LONGEST_WEEK = Duration.parse("7d1h")
LONGEST_MONTH = Duration.parse("31d1h")

#: Prometheus looks back five minutes for a sample, so reading every five minutes sees the last value of every series,
#: also of one that ended with an outage; and every zone's midnight falls on one of these instants.
EVERY_LAST_VALUE = Duration.parse("5m")

_PERIODS = (names.DAY, names.WEEK, names.MONTH)


def rules(spec: Spec) -> tuple[Recording, ...]:
    labels: dict[str, str] = {}
    today = series(names.CALENDAR).just_recorded()
    cost = series(names.cost(spec.prometheus.step))
    dated = series(names.cost_of_day(spec.prometheus.step))
    day_total = series(names.DAY_TOTAL)
    by = (names.GATEWAY, names.PROVIDER, names.MODEL, *spec.spend_labels)
    dated_cost = binary(sum_by(by, cost.just_recorded()), "*", today, on=(), group_left=_PERIODS)
    so_far = both(sum_of_steps(dated, LONGEST_DAY), today, on=(names.DAY,))
    return (
        Recording(
            names.CALENDAR,
            _calendar(spec.prometheus.timezone),
            labels,
            f"The day (since 1970-01-01), ISO week and month in {spec.prometheus.timezone}, as labels.",
        ),
        Recording(dated.metric, dated_cost, labels, "The dollars of one step, with the day that they fell in."),
        Recording(names.DAY_TOTAL, so_far, labels, "Today so far; the last value of each day is its total."),
        Recording(
            names.DAY_TO_DATE,
            sum_without(_PERIODS, day_total.just_recorded()),
            labels,
            "Dollars since local midnight.",
        ),
        Recording(
            names.WEEK_TO_DATE,
            _to_date(day_total, LONGEST_WEEK, names.WEEK, today),
            labels,
            "Dollars since Monday: of today so far, and of the other days their last totals.",
        ),
        Recording(
            names.MONTH_TO_DATE,
            _to_date(day_total, LONGEST_MONTH, names.MONTH, today),
            labels,
            "Dollars since the first of the month, in the same way.",
        ),
    )


def _to_date(day_total: Selector, longest: Duration, period: str, today: Expr) -> Expr:
    """Today so far, and of every other day of the period its last total."""
    earlier = subquery("last_over_time", day_total.now(), longest, EVERY_LAST_VALUE)
    days = either(day_total.just_recorded(), earlier)
    return sum_without(_PERIODS, both(days, today, on=(period,)))


def _calendar(timezone: str) -> Expr:
    """One series of value 1 whose labels are the local day (counted from 1970-01-01), ISO week and month."""
    # One millisecond early: a step that ends at midnight sharp belongs to the day before.
    now = wall_clock(*utc_offset_changes(timezone), early=Duration(1))
    day = call("floor", binary(now, "/", scalar(86_400)))
    # 1970-01-01 was a Thursday: three days into its ISO week.
    week = call("floor", binary(binary(now, "+", scalar(3 * 86_400)), "/", scalar(7 * 86_400)))
    day_and_week = binary(
        count_values(names.DAY, day), "*", count_values(names.WEEK, week), on=(), group_left=(names.WEEK,)
    )
    month = count_values(names.MONTH, call("month", now))
    return binary(day_and_week, "*", month, on=(), group_left=(names.MONTH,))

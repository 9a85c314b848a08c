"""Calendar periods in the spec's time zone: dollars since local midnight, since Monday, since the first of the month.

Rolling windows are not periods, and PromQL has no ranges of changing length. So the clock becomes labels, each step's
dollars bear them, and a period is the sum over those that bear today's: no state that a restart could lose.
"""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.model import Recording, RuleGroup
from tollbook.gen.promql import (
    Expr,
    Matcher,
    Selector,
    binary,
    both,
    call,
    count_values,
    either,
    over_time,
    scalar,
    series,
    subquery,
    sum_by,
    sum_of_steps,
    sum_without,
)
from tollbook.gen.promql_moments import wall_clock
from tollbook.gen.spec import Period, Spec
from tollbook.gen.timezones import utc_offset_changes
from tollbook.rules.cost import recorded_cost
from tollbook.rules.selectors import Stage, just_recorded

#: The longest each period can be: an hour more than its days, where clocks are set back.
LONGEST_DAY = Duration.parse("25h")
LONGEST_WEEK = Duration.parse("7d1h")
LONGEST_MONTH = Duration.parse("31d1h")

#: Prometheus looks back five minutes for a sample, so reading every five minutes sees the last value of every series,
#: also of one that ended with an outage; and every zone's midnight falls on one of these instants.
EVERY_LAST_VALUE = Duration.parse("5m")

_PERIODS = (names.DAY, names.WEEK, names.MONTH)


#: Label of a period, the longest it can be, its record with that label, and its record without.
_TO_DATE = (
    (names.WEEK, LONGEST_WEEK, names.WEEK_TOTAL, names.WEEK_TO_DATE, "Monday"),
    (names.MONTH, LONGEST_MONTH, names.MONTH_TOTAL, names.MONTH_TO_DATE, "the first of the month"),
)

_TOTALS = {
    Period.DAY: (names.DAY_TOTAL, names.DAY),
    Period.WEEK: (names.WEEK_TOTAL, names.WEEK),
    Period.MONTH: (names.MONTH_TOTAL, names.MONTH),
}

#: The last total of a period is read this far back: an outage of rules that is shorter dents nothing.
_LAST_TOTAL = Duration.parse("1h")


def rules(spec: Spec) -> tuple[Recording, ...]:
    """In the ledger: the dollars of each step with their day, week and month."""
    by = (names.GATEWAY, names.PROVIDER, names.MODEL, *spec.spend_labels)
    late = spec.prometheus.lag * Stage.TOTALS
    dated = binary(sum_by(by, recorded_cost(spec)), "*", _calendar(spec, late), on=(), group_left=_PERIODS)
    note = "The dollars of one step, with the day that they fell in."
    return (Recording(names.cost_of_day(spec.prometheus.step), dated, note=note),)


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    dated, day_total = series(names.cost_of_day(spec.prometheus.step)), series(names.DAY_TOTAL)
    today = just_recorded(spec, series(names.CALENDAR))
    # The ledger may write the last step of a day after this group's last evaluation on that day: so a day is recorded
    # until its last value is read.
    late = EVERY_LAST_VALUE + spec.prometheus.step
    days = either(today, _calendar(spec, late))
    so_far = both(sum_of_steps(dated, LONGEST_DAY + late), days, on=(names.DAY,))
    zone = spec.prometheus.timezone
    recordings = [
        Recording(
            names.CALENDAR,
            _calendar(spec, Duration(0)),
            note=f"The day (since 1970-01-01), ISO week and month in {zone}, as labels.",
        ),
        Recording(names.DAY_TOTAL, so_far, note="Today so far; the last value of each day is its total."),
        Recording(
            names.DAY_TO_DATE,
            sum_without(_PERIODS, both(just_recorded(spec, day_total), today, on=(names.DAY,))),
            note="Dollars since local midnight.",
        ),
    ]
    for label, longest, total, to_date, begin in _TO_DATE:
        note = f"Dollars since {begin}: of today so far, and of the other days their last totals."
        recordings.append(Recording(total, _total(spec, day_total, longest, label, today), note=note))
        recordings.append(Recording(to_date, sum_without([label], just_recorded(spec, series(total)))))
    return (RuleGroup(f"{names.GROUP_PREFIX}.calendar", spec.prometheus.step, tuple(recordings), home="calendar"),)


def spent_in(spec: Spec, period: Period, *matchers: Matcher) -> Expr:
    """Dollars of this day, week or month, for rules of other groups: the last total that bears its label, so neither an
    outage nor the turn of a period shows another one's."""
    record, label = _TOTALS[period]
    last = over_time("last", series(record, *matchers), _LAST_TOTAL)
    return both(last, _clock(spec, Duration(0), label), on=(label,))


def _total(spec: Spec, day_total: Selector, longest: Duration, period: str, today: Expr) -> Expr:
    """Today so far, and of every other day of the period its last total."""
    earlier = subquery("last_over_time", day_total.now(), longest, EVERY_LAST_VALUE)
    days = either(just_recorded(spec, day_total), earlier)
    others = [each for each in _PERIODS if each != period]
    return sum_without(others, both(days, today, on=(period,)))


def _calendar(spec: Spec, late: Duration) -> Expr:
    """One series of value 1 whose labels are the local day (counted from 1970-01-01), ISO week and month."""
    day, week, month = (_clock(spec, late, each) for each in _PERIODS)
    day_and_week = binary(day, "*", week, on=(), group_left=(names.WEEK,))
    return binary(day_and_week, "*", month, on=(), group_left=(names.MONTH,))


def _clock(spec: Spec, late: Duration, period: str) -> Expr:
    """One series of value 1 whose label is the one that this period has now."""
    # One millisecond early: a step that ends at midnight sharp belongs to the day before.
    now = wall_clock(*utc_offset_changes(spec.prometheus.timezone), early=late + Duration(1))
    # 1970-01-01 was a Thursday: three days into its ISO week.
    since_monday = binary(now, "+", scalar(3 * 86_400))
    shown = {
        names.DAY: call("floor", binary(now, "/", scalar(86_400))),
        names.WEEK: call("floor", binary(since_monday, "/", scalar(7 * 86_400))),
        names.MONTH: call("month", now),
    }
    return count_values(period, shown[period])

"""What the panels ask Prometheus, one noun a question: the words that all topics share, and dollars over time.

Nothing here or in the files of the other topics knows a panel. How records add up is told in dashboards/sums.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from tollbook.dashboards.sums import in_window
from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.placeholders import GROUP_LABEL, chosen
from tollbook.gen.promql import (
    Expr,
    Selector,
    aggregate,
    binary,
    both,
    call,
    copy_label,
    count_of_steps,
    either,
    label_replace,
    one_of,
    scalar,
    series,
    sum_by,
    sum_of_steps,
    total,
    unless,
)
from tollbook.gen.spec import Spec

HOUR, DAY, WEEK = Duration.parse("1h"), Duration.parse("1d"), Duration.parse("7d")

#: Days that "a month at this pace" has, whatever the calendar says.
DAYS_AT_PACE = 30

#: The label under which the values of the label that the reader chose are shown.
GROUP = "grouped_by"

#: What is shown in it where a series has no such label.
WITHOUT = "none"

#: The length of the month before, in days -> the months (as the calendar counts them) that come after it.
MONTHS_AFTER = {31: (1, 2, 4, 6, 8, 9, 11), 30: (5, 7, 10, 12)}
MARCH, LEAP, COMMON = 3, 29, 28


# ---- Whose ---------------------------------------------------------------------------------------------------


def ledger_labels(spec: Spec) -> tuple[str, ...]:
    """Where, through which gateway, what, and who: the labels of every dollar, in the order of the filters."""
    keep = spec.prometheus.keep_labels
    return (*keep, names.GATEWAY, names.PROVIDER, names.MODEL, *(entry.label for entry in spec.attribution))


def filtered(spec: Spec, metric: str, *labels: str) -> Selector:
    """Narrowed by the dashboard's filters on these labels, and on the keep labels, which every record has."""
    return series(metric, *(chosen(label) for label in (*spec.prometheus.keep_labels, *labels)))


def ledger(spec: Spec, metric: str) -> Selector:
    return series(metric, *(chosen(label) for label in ledger_labels(spec)))


def ledger_narrowed_by(spec: Spec, labels: Sequence[str]) -> Expr:
    """Every series of the ledger that the filters on these labels let through, also those that cost nothing."""
    return series(names.tokens(spec.prometheus.step), *(chosen(label) for label in labels)).now()


def cost(spec: Spec) -> Selector:
    return ledger(spec, names.cost(spec.prometheus.step))


def by_group(expr: Expr) -> Expr:
    """Summed by the label that the reader chose."""
    return sum_by([GROUP_LABEL], expr)


def shown(grouped: Expr) -> Expr:
    """Under one label whatever was chosen: so a column can have a title."""
    named = copy_label(grouped, GROUP, GROUP_LABEL)
    return sum_by([GROUP], label_replace(named, GROUP, WITHOUT, GROUP))


# ---- How -----------------------------------------------------------------------------------------------------


def or_zero(spec: Spec, expr: Expr) -> Expr:
    """Zero where nothing was used, nothing at all where the ledger is not written: the two must look different."""
    watched = filtered(spec, names.gateway_cost(spec.prometheus.step), names.GATEWAY)
    return either(expr, binary(scalar(0), "*", total(watched.now())))


def share(by: Sequence[str], part: Expr, whole: Expr) -> Expr:
    """Zero where there is no part, nothing where there is no whole."""
    known_part = either(sum_by(by, part), binary(scalar(0), "*", sum_by(by, whole)))
    return binary(known_part, "/", binary(sum_by(by, whole), ">", scalar(0)))


# ---- Dollars of calendar periods -----------------------------------------------------------------------------


def spend_to_date(spec: Spec, record: str) -> Expr:
    return or_zero(spec, total(ledger(spec, record).now()))


def spend_of_last_hour(spec: Spec) -> Expr:
    return or_zero(spec, total(sum_of_steps(cost(spec), HOUR)))


def change_on_yesterday(spec: Spec) -> Expr:
    return _change(spec, names.DAY_TO_DATE, ledger(spec, names.DAY_TO_DATE).now(DAY))


def change_on_last_week(spec: Spec) -> Expr:
    return _change(spec, names.WEEK_TO_DATE, ledger(spec, names.WEEK_TO_DATE).now(WEEK))


def change_on_last_month(spec: Spec) -> Expr:
    """Against the same hour of the same day of the month before; nothing on days that it did not have."""
    return _change(spec, names.MONTH_TO_DATE, either(*_month_to_date_a_month_ago(spec)))


def _change(spec: Spec, record: str, then: Expr) -> Expr:
    """Nothing where nothing was spent then."""
    times = binary(spend_to_date(spec, record), "/", binary(total(then), ">", scalar(0)))
    return binary(times, "-", scalar(1))


def _month_to_date_a_month_ago(spec: Spec) -> Iterator[Expr]:
    """PromQL's offsets are constants, so there is one for each length of a month; of these one at most answers, as the
    calendar knows in the spec's time zone which month it is."""
    record = ledger(spec, names.MONTH_TO_DATE)
    leap = binary(call("year"), "%", scalar(4))
    for days, months in MONTHS_AFTER.items():
        yield both(record.now(_days(days)), _was_last_month(days, *months), on=())
    for days, op in ((LEAP, "=="), (COMMON, "!=")):
        in_march = both(_was_last_month(days, MARCH), binary(leap, op, scalar(0)), on=())
        yield both(record.now(_days(days)), in_march, on=())


def _was_last_month(days: int, *months: int) -> Expr:
    """Something in one of these months, where it was another one so many days ago: on the 31st, 30 days ago was the
    first of the same month."""
    calendar = series(names.CALENDAR)
    another = unless(calendar.now(_days(days)), calendar.now(), on=(names.MONTH,))
    return both(another, calendar.where(one_of(names.MONTH, map(str, months))).now(), on=())


def _days(count: int) -> Duration:
    return Duration.parse(f"{count}d")


def month_at_this_pace(spec: Spec) -> Expr:
    """The dollars of the last week, over the time of it that the ledger knows, for 30 days."""
    watched = filtered(spec, names.gateway_cost(spec.prometheus.step), names.GATEWAY)
    steps_of_month = scalar(Decimal(DAYS_AT_PACE * DAY.milliseconds) / spec.prometheus.step.milliseconds)
    per_step = binary(total(in_window(cost(spec), WEEK)), "/", aggregate("max", count_of_steps(watched, WEEK)))
    return or_zero(spec, binary(per_step, "*", steps_of_month))


# ---- Dollars of rolling windows ------------------------------------------------------------------------------


def rolling_spend(spec: Spec, record: str) -> Expr:
    """Of the whole fleet: these records have no label of a gateway or a model to filter by."""
    return total(filtered(spec, record).now())


def rolling_hour_by_gateway(spec: Spec) -> Expr:
    return sum_by([names.GATEWAY], filtered(spec, names.COST_BY_GATEWAY, names.GATEWAY).now())

"""Sudden spend: far more dollars in an hour than the same hours of the days before have known.

A gateway, or an owner, is compared with itself: with the dearest hour that ended within an hour of this time of day, on
any of seven days. So what comes every day, or once a week, is usual from its second time on.

Nothing is said of whom the days before do not know: a gateway or an owner that spent nothing until a day ago, and
everybody while the ledger is younger than a day. A launch is no spike, and a budget is what bounds it. Whoever is known
and spent nothing at these hours has zero as usual, so the night of an office is watched. Usage that a gap in scraping
held back is billed in one lump, an hour's at most: twice the usual, which is less than the factor.

Read at each step, in samples: of a gateway 230 and of an owner 220, for what is usual is looked up every quarter of an
hour of two hours on seven days; and of each series of the ledger 15.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, listed, own, row_value, value, where
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, Recording, RuleGroup
from tollbook.gen.promql import (
    Expr,
    Selector,
    aggregate,
    binary,
    both,
    either,
    eq,
    labelled,
    none_of,
    number,
    over_time,
    scalar,
    series,
    subquery,
    sum_by,
    sum_of_steps,
)
from tollbook.gen.spec import Attribution, Spec
from tollbook.rules.selectors import LOOKBACK, by_gateway
from tollbook.rules.spenders import top_spenders

HOUR, DAY = Duration.parse("1h"), Duration.parse("1d")
DAYS = 7

#: More than so many times the dearest usual hour is a spike ...
FACTOR = 3
#: ... if it is also so many dollars an hour above it: small spenders jump every day.
EXCESS_USD = Decimal(10)

#: A spike goes on while these last minutes keep its pace. With the waiting a batch of ten minutes raises none, and a
#: runaway is told a quarter of an hour after it began to show.
RECENT = Duration.parse("5m")
RECENT_OF_AN_HOUR = 12
SPIKE_FOR = Duration.parse("15m")

#: A sliding hour is read so often within the hours that are compared.
EVERY = Duration.parse("15m")

#: A label that lives inside one expression only: how many days ago it was.
_AGO = "ago"


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    """What is usual has a group of its own: the alerts read it over a range."""
    usual = [_usual(series(names.COST_BY_GATEWAY), by_gateway(spec)), *map(_usual_of_owners, spec.attribution)]
    rules: list[Recording | Alert] = [_of_gateways(spec)]
    for entry in spec.attribution:
        rules += _of_owners(spec, entry)
    return (
        RuleGroup(f"{names.GROUP_PREFIX}.usual", spec.prometheus.step, tuple(usual), home="spikes"),
        RuleGroup(f"{names.GROUP_PREFIX}.spikes", spec.prometheus.step, tuple(rules), home="spikes"),
    )


# ---- What is usual ---------------------------------------------------------------------------------------------------


_NOTE = f"The dearest hour of the last {DAYS} days at this time of day, of whoever spent longer than a day ago."


def _usual(dollars: Selector, by: tuple[str, ...]) -> Recording:
    return Recording(names.COST_USUAL, both(_dearest(dollars, by), _since_long(dollars), on=by), note=_NOTE)


def _usual_of_owners(entry: Attribution) -> Recording:
    """Zero at hours at which it never spent, if the ledger was there at any of them."""
    by, dollars = (entry.label,), series(names.COST_BY_OWNER, eq(names.ATTRIBUTION, entry.label))
    since_long = sum_by(by, _since_long(dollars))
    was_there = aggregate("group", _lately(_usual_of("")))
    idle = both(binary(scalar(0), "*", since_long), was_there, on=())
    usual = either(both(_dearest(dollars, by), since_long, on=by), idle)
    return Recording(names.COST_USUAL, usual, _about(entry.label), _NOTE)


def _dearest(dollars: Selector, by: tuple[str, ...]) -> Expr:
    return aggregate("max", either(*(_same_hours(dollars, days) for days in range(1, DAYS + 1))), by)


def _same_hours(dollars: Selector, days: int) -> Expr:
    """Hours that ended at most an hour before or after this time of that day."""
    then = subquery("max_over_time", dollars.now(), HOUR * 2, EVERY, offset=DAY * days - HOUR)
    return labelled(then, _AGO, str(days))


def _since_long(dollars: Selector) -> Expr:
    """Whoever spent anything longer than a day ago; each hour is read once."""
    spent = subquery("max_over_time", dollars.now(), DAY * (DAYS - 1), HOUR, DAY)
    return binary(spent, ">", scalar(0))


def _about(attribution: str) -> Mapping[str, str]:
    """Gateways are told by their own labels."""
    return {names.ATTRIBUTION: attribution} if attribution else {}


# ---- Gateways --------------------------------------------------------------------------------------------------------


def _of_gateways(spec: Spec) -> Alert:
    by, spend = by_gateway(spec), series(names.gateway_cost(spec.prometheus.step))
    place = where(spec.prometheus.keep_labels)
    return Alert(
        alert=alert_names.SPEND_SPIKE,
        expr=_spike(_lately(series(names.COST_BY_GATEWAY)), sum_of_steps(spend, RECENT), by, ""),
        hold=SPIKE_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "An AI gateway spends far more than is usual at this time of day.",
            "description": f"Gateway {label(names.GATEWAY)}{place} {_words(spec, by, '')}",
        },
    )


# ---- Owners ----------------------------------------------------------------------------------------------------------


def _of_owners(spec: Spec, entry: Attribution) -> Iterator[Recording | Alert]:
    """Of all gateways and clusters together. Nobody's dollars are those of a gateway that was told no owner."""
    by = (entry.label,)
    hours = series(names.COST_BY_OWNER, eq(names.ATTRIBUTION, entry.label))
    named = none_of(entry.label, [""])
    yield Recording(
        names.COST_BY_OWNER,
        sum_by(by, _lately(series(names.COST_1H, named))),
        _about(entry.label),
        "Dollars of the last hour, by owner.",
    )
    recent = sum_of_steps(series(names.cost(spec.prometheus.step), named), RECENT)
    yield Alert(
        alert=alert_names.SPEND_SPIKE,
        expr=_spike(_lately(hours), sum_by(by, recent), by, entry.label),
        hold=SPIKE_FOR,
        labels={**_about(entry.label), names.SEVERITY: "warning"},
        annotations={
            "summary": "An owner of LLM spend spends far more than is usual at this time of day.",
            "description": f"Owner {label(entry.label)} ({entry.label}) {_words(spec, by, entry.label)}",
        },
    )


# ---- Spikes ----------------------------------------------------------------------------------------------------------


def _lately(record: Selector) -> Expr:
    """A range, because another group recorded it, at a moment of its own."""
    return over_time("last", record, LOOKBACK)


def _spike(hour: Expr, recent: Expr, by: tuple[str, ...], attribution: str) -> Expr:
    """Each side is made one of each: a record that is there twice costs this rule its figures, not its evaluation."""
    now, usual = (aggregate("max", each, by) for each in (hour, _lately(_usual_of(attribution))))
    pace = binary(scalar(RECENT_OF_AN_HOUR), "*", aggregate("max", recent, by))
    return both(_above(now, usual), _above(pace, usual))


def _usual_of(attribution: str) -> Selector:
    """Of one attribution label's owners; of gateways, where there is none."""
    return series(names.COST_USUAL, eq(names.ATTRIBUTION, attribution))


def _above(dollars: Expr, usual: Expr) -> Expr:
    times = binary(dollars, ">", binary(scalar(FACTOR), "*", usual))
    return both(times, binary(binary(dollars, "-", usual), ">", scalar(EXCESS_USD)))


def _words(spec: Spec, by: tuple[str, ...], attribution: str) -> str:
    usual = _lately(_usual_of(attribution).where(*(own(each) for each in by)))
    return (
        f"spent {value(decimals=2)} USD in the last hour, and goes on. At this time of day, give or take an hour, the "
        f"dearest hour of the last {DAYS} days was {listed(usual, row_value(decimals=2))} USD; more than {FACTOR} "
        f"times as much, and over {number(EXCESS_USD)} USD above it, is told. Likely causes, in order: an agent in a "
        "loop or a job that retries, a dearer model or longer prompts, more traffic. If this is not meant, stop or "
        "limit those who spend; if it is, nothing need be done, for tomorrow it is usual. Top spenders of the last "
        f"hour:{_spenders(spec, by)}"
    )


def _spenders(spec: Spec, by: tuple[str, ...]) -> str:
    """Those behind what the alert is about."""
    hour = _lately(series(names.COST_1H, *(own(each) for each in by)))
    who = [each for each in (names.GATEWAY, names.PROVIDER, names.MODEL, *spec.spend_labels) if each not in by]
    return top_spenders(hour, who)

"""Which series count, at which moment they are read, and how rules of one group read each other's records."""

from __future__ import annotations

from enum import IntEnum

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.promql import (
    Expr,
    Matcher,
    Selector,
    absent_over_time,
    aggregate,
    binary,
    both,
    copy_label,
    either,
    either_on,
    eq,
    none_of,
    one_of,
    one_of_each,
    over_time,
    scalar,
    series,
)
from tollbook.gen.spec import Monitor, Spec

#: For how long a gateway that nobody named is known after it was last seen.
REMEMBERED = Duration.parse("1d")

#: An instant selector finds no older sample.
LOOKBACK = Duration.parse("5m")


def scraped(spec: Spec, metric: str, *matchers: Matcher) -> Selector:
    """The metric as the jobs scraped it that count, whichever gateway shows it."""
    return series(metric, one_of(names.JOB, spec.jobs), *matchers)


def foreign_jobs(spec: Spec) -> list[str]:
    """Scrape jobs of somebody else, whose targets do not bear the label `gateway`."""
    return list(dict.fromkeys(gateway.job for gateway in spec.gateways if gateway.monitor is Monitor.NONE))


def target(spec: Spec) -> tuple[str, ...]:
    """The labels that name a target. Two clusters may have pods of one address."""
    return (*spec.prometheus.keep_labels, names.JOB, names.INSTANCE)


def pod(spec: Spec) -> tuple[str, ...]:
    """A target's own pod: its address may be used again by another one."""
    return (*target(spec), names.POD)


def by_gateway(spec: Spec) -> tuple[str, ...]:
    return (names.GATEWAY, *spec.prometheus.keep_labels)


# ---- Moments ---------------------------------------------------------------------------------------------------------


class Stage(IntEnum):
    """How many records of the same group lie between the scraped counters and a rule. The rules of one stage account
    for one step, so a rule reads each record as many stages back as lie between them."""

    SEEN = 0
    SHARES = 1
    BOOKED = 2
    METERED = 3
    MISREAD = 4
    BILLABLE = 5
    TOKENS = 6
    COST = 7
    SURCHARGE = 8
    TOTALS = 9


def settled(spec: Spec, counter: Selector, stage: Stage = Stage.SEEN) -> Expr:
    """The last value within the step. A range, because a pod that ended inside the step counts up to its end."""
    return over_time("last", counter, spec.prometheus.step, step_end(spec, stage))


def existing(spec: Spec, counter: Selector, stage: Stage = Stage.SEEN) -> Expr:
    """One for each series that was there within the step, whatever it counted."""
    return over_time("present", counter, spec.prometheus.step, step_end(spec, stage))


def step_end(spec: Spec, stage: Stage) -> Duration:
    """How long ago the step ended that a rule of this stage accounts for: a sample bears the time its scrape began,
    but is stored when that ends."""
    return spec.prometheus.settle + spec.prometheus.lag * stage


def recorded(spec: Spec, record: Selector, of: Stage, at: Stage) -> Expr:
    """What a rule of one stage recorded for the same step, read by a rule of a later one. Every such read goes through
    here: an engine that does not see its own writes at once reads them one evaluation later for each stage between."""
    return record.at_instant(spec.prometheus.lag * (at - of))


def just_recorded(spec: Spec, record: Selector) -> Expr:
    """What a rule before this one recorded in the same evaluation of a group that is not the ledger."""
    return record.at_instant(spec.prometheus.lag)


def usage(spec: Spec, at: Stage, *matchers: Matcher) -> Expr:
    """Everything that shows usage in this step, for a rule of a later stage."""
    return recorded(spec, series(names.USAGE_SEEN, *matchers), of=Stage.SEEN, at=at)


# ---- Facts -----------------------------------------------------------------------------------------------------------


def facts(spec: Spec, record: str, *matchers: Matcher) -> Selector:
    """What this spec says; another one may share the Prometheus."""
    return series(record, eq(names.SPEC, spec.id), *matchers)


def fact(spec: Spec, record: str, *matchers: Matcher) -> Expr:
    """The same, and in the first step after an outage, which may come before facts are recorded again, what they said
    last."""
    own = facts(spec, record, *matchers)
    return either(own.now(), _said_before(spec, own))


def carried(spec: Spec, record: str, known: Expr) -> Expr:
    """What is recorded of facts, in the same way: in the first step after an outage, what was recorded last."""
    return either(known, _said_before(spec, series(record)))


def _said_before(spec: Spec, record: Selector) -> Expr:
    """The ledger was not evaluated for as long as an instant selector looks back: neither a price nor a target was
    recorded. A price that merely ended is not carried."""
    no_price, no_target = (
        absent_over_time(series(record), LOOKBACK, Duration(1)) for record in (names.PRICE_NOW, names.TARGET_MAY_BEAR)
    )
    resumed = both(no_price, no_target, on=())
    return both(over_time("last", record, spec.prometheus.gap, Duration(1)), resumed, on=())


# ---- Targets of gateways ---------------------------------------------------------------------------------------------


def targets(spec: Spec) -> Expr:
    """`up` of each target that is known to be a gateway's, with the label `gateway`."""
    return of_gateways(spec, names.UP)


def builds(spec: Spec) -> Expr:
    """`agentgateway_build_info` in the same way."""
    return of_gateways(spec, names.BUILD_INFO)


def of_gateways(spec: Spec, metric: str, *matchers: Matcher) -> Expr:
    """A metric that each target has. Those of somebody else's jobs do not say whose they are: the ledger knows it from
    their counters."""
    own = scraped(spec, metric, *matchers)
    if not foreign_jobs(spec):
        return own.now()
    nameless = own.where(one_of(names.JOB, foreign_jobs(spec))).now()
    known = owners(spec)
    named = binary(nameless, "*", known, on=target(spec), group_left=(names.GATEWAY,))
    return either(own.where(none_of(names.GATEWAY, [""])).now(), named)


def owners(spec: Spec) -> Expr:
    """One series for each target of somebody else's jobs that showed usage within a day: the gateway it belongs to, now
    or at last, as figures call it. An address may be used again by another gateway's pod."""
    shown, by = series(names.USAGE_BOOKED, one_of(names.JOB, foreign_jobs(spec))), (*target(spec), names.GATEWAY)
    now, lately = (
        aggregate("group", copy_label(each, names.GATEWAY, names.BOOKED_GATEWAY), by)
        for each in (shown.now(), over_time("last", shown, REMEMBERED))
    )
    return one_of_each(target(spec), either_on(target(spec), now, lately))


def alive(expr: Expr) -> Expr:
    return binary(expr, "==", scalar(1))

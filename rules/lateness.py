"""Samples that arrive after the ledger has looked at their step: remote write that lags, or catches up after a cut.

The ledger looks at each step once. Beside it the scrapes of that step are counted, and counted again some steps later:
what is more by then came too late. A step that was not evaluated is not compared, so a ruler that was down is not taken
for a wire that was. Read at each evaluation: the samples of `up` of two steps and one more, a target.
"""

from __future__ import annotations

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, value, where
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, Recording, RuleGroup
from tollbook.gen.promql import (
    Expr,
    aggregate,
    binary,
    call,
    either,
    over_time,
    scalar,
    series,
    sum_by,
    sum_of_steps,
)
from tollbook.gen.spec import Spec
from tollbook.rules.selectors import by_gateway, scraped

HOUR = Duration.parse("1h")

#: Counted again so many steps later. What comes later still is not noticed: the share is a least.
AGAIN_AFTER_STEPS = 5

#: A cut of one minute in an hour is more.
LATE_PERCENT = 1


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    step = spec.prometheus.step
    rules = (
        Recording(
            names.SCRAPES_SEEN, _seen(spec), note="Scrapes of one step that were there when the ledger looked at it."
        ),
        Recording(
            names.SCRAPES_LATE,
            _late(spec),
            note=f"Scrapes of one step that came in the {AGAIN_AFTER_STEPS} steps after.",
        ),
        _alert(spec),
    )
    return (RuleGroup(f"{names.GROUP_PREFIX}.lateness", step, rules, home="lateness"),)


def _by(spec: Spec) -> tuple[str, ...]:
    """Targets of somebody else's jobs do not say which gateway they are."""
    return (*by_gateway(spec), names.JOB)


def _scrapes(spec: Spec, after: Duration) -> Expr:
    """A millisecond less than the step, so that none is in two."""
    window = spec.prometheus.step - Duration(1)
    return sum_by(_by(spec), over_time("count", scraped(spec, names.UP), window, spec.prometheus.settle + after))


def _seen(spec: Spec) -> Expr:
    """Zero where a target is known: while nothing arrives, and where everything arrives late."""
    lately = over_time("max", series(names.SCRAPES_SEEN), HOUR)
    known = either(aggregate("group", scraped(spec, names.UP).now(), _by(spec)), binary(lately, ">", scalar(0)))
    return either(_scrapes(spec, Duration(0)), binary(scalar(0), "*", known))


def _late(spec: Spec) -> Expr:
    after = spec.prometheus.step * AGAIN_AFTER_STEPS
    seen = aggregate("max", series(names.SCRAPES_SEEN).at_instant(after), _by(spec))
    return call("clamp_min", binary(_scrapes(spec, after), "-", seen), "0")


def _alert(spec: Spec) -> Alert:
    step = spec.prometheus.step
    late, seen = (sum_of_steps(series(name), HOUR) for name in (names.SCRAPES_LATE, names.SCRAPES_SEEN))
    percent = binary(binary(scalar(100), "*", late), "/", binary(late, "+", seen))
    place = where(by_gateway(spec))
    return Alert(
        alert=alert_names.SCRAPES_LATE,
        expr=binary(percent, ">", scalar(LATE_PERCENT)),
        hold=Duration(0),
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "Samples of AI gateways arrive after their minute was counted, so spend is missing.",
            "description": (
                f"At least {value(decimals=1)} percent of the scrapes of job {label(names.JOB)}{place} in the last "
                f"hour arrived later than the ledger looks, {spec.prometheus.settle} after the end of each "
                f"{step} step; more than {LATE_PERCENT} percent is told. What was used in those steps is in no total "
                "and is not made up for. Likely causes, in order: the agent's remote write was cut off and caught up, "
                "or lags; scrapes take longer than their timeout allows for; the agent's clock is behind. Find how "
                "late samples are, and raise prometheus.settle in the spec above it, or evaluate the rules where the "
                "gateways are scraped."
            ),
        },
    )

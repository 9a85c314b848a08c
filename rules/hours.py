"""Hours of the ledger: whoever reads weeks reads an entry an hour instead of one a step, and loses nothing.

An hour is put down once, by the first evaluation that comes a step after its end, and a marker says up to which hour
this was done. Both records are sums over ranges of the ledger up to or since that hour, so nothing is carried from one
evaluation to the next: between two moments the ledger grew by the hours put down between them, plus what the open hour
held at the later one, less what it held at the earlier one.
"""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.model import Recording, RuleGroup
from tollbook.gen.promql import (
    Expr,
    Selector,
    binary,
    call,
    over_time,
    scalar,
    series,
    subquery,
    sum_of_steps,
    unless,
)
from tollbook.gen.spec import Spec

HOUR = Duration.parse("1h")
HOUR_SECONDS = 3600

#: An outage that takes longer takes the open hour with it, from the hours though not from the ledger.
REMEMBERED = Duration.parse("2h")


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    """The marker comes before what the open hour holds, so that no moment has an hour in both."""
    kept = [series(record) for record in ledgers(spec)]
    rules = [_hour(spec, ledger) for ledger in kept]
    rules.append(Recording(names.HOUR_PUT_DOWN, _marker(spec), note="The end of the last hour that was put down."))
    rules += [_to_date(spec, ledger) for ledger in kept]
    return (RuleGroup(f"{names.GROUP_PREFIX}.hours", spec.prometheus.step, tuple(rules), home="hours"),)


def ledgers(spec: Spec) -> tuple[str, ...]:
    step = spec.prometheus.step
    return (names.tokens(step), names.cost(step), names.requests(step), names.reported_usd(step))


def _hour(spec: Spec, ledger: Selector) -> Recording:
    hour = _not_put_down(sum_of_steps(ledger, HOUR))
    # The last step of an hour may still be being written when the hour ends.
    over = subquery("sum_over_time", hour, REMEMBERED, HOUR, offset=_late(spec))
    return Recording(names.of_hour(ledger.metric), over, note="Once an hour: what the ledger holds of the one before.")


def _to_date(spec: Spec, ledger: Selector) -> Recording:
    step = spec.prometheus.step
    steps = _not_put_down(sum_of_steps(ledger, step))
    begun = subquery("sum_over_time", steps, HOUR + _late(spec) + step * 2, step)
    return Recording(
        names.hour_to_date(ledger.metric), begun, note="What the ledger holds since the last hour put down."
    )


def _late(spec: Spec) -> Duration:
    return spec.prometheus.step + spec.prometheus.lag


def _not_put_down(dollars: Expr) -> Expr:
    """In a subquery: of moments that no hour holds which was put down since."""
    later = over_time("last", series(names.HOUR_PUT_DOWN), REMEMBERED, -REMEMBERED)
    return unless(dollars, binary(later, ">=", call("time")), on=())


def _marker(spec: Spec) -> Expr:
    """Recorded with the hours, after all of them."""
    late = binary(call("time"), "-", scalar(_late(spec).seconds))
    hour = call("vector", binary(late, "-", binary(late, "%", scalar(HOUR_SECONDS))))
    last = over_time("last", series(names.HOUR_PUT_DOWN), REMEMBERED)
    return unless(hour, binary(last, "==", hour))

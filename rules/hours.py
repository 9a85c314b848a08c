"""Hours of the ledger: whoever reads weeks reads an entry an hour instead of one a step, and loses nothing.

An hour is not summed up when it is over but carried from step to step, and put down by the first evaluation after it.
So whatever the ledger holds is either in one hour that is over or in the one that is not, however late an evaluation
comes and whatever outage lies before it: between two moments the ledger grew by the hours put down between them, plus
what the open hour held at the later one, less what it held at the earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import reports_usd
from tollbook.gen.model import Recording
from tollbook.gen.promql import (
    Expr,
    Selector,
    binary,
    both,
    call,
    either,
    labelled,
    over_time,
    scalar,
    series,
    sum_without,
)
from tollbook.gen.spec import Spec

#: An outage that takes longer takes the open hour with it, from the hours though not from the ledger.
REMEMBERED = Duration.parse("6h")

HOUR_SECONDS = 3600

#: A label that lives inside one expression only.
_PART = "part_of_hour"


def rules(spec: Spec) -> tuple[Recording, ...]:
    labels: dict[str, str] = {}
    last = over_time("last", series(names.HOUR_BEGIN), REMEMBERED)
    hours = [rule for record in ledgers(spec) for rule in _hours(series(record), last, labels)]
    note = "When the present hour began, and of the rules before this one: that in which they ran the last time."
    return (*hours, Recording(names.HOUR_BEGIN, call("vector", _hour_begin()), labels, note))


def ledgers(spec: Spec) -> tuple[str, ...]:
    step = spec.prometheus.step
    always = (names.tokens(step), names.cost(step), names.requests(step))
    return (*always, names.reported_usd(step)) if any(map(reports_usd, spec.gateways)) else always


def _hours(ledger: Selector, last: Expr, labels: dict[str, str]) -> Iterator[Recording]:
    """The hour that is over comes first: it is what the second has held until now."""
    so_far = Selector(names.hour_to_date(ledger.metric), ledger.matchers)
    # A series that ends has held nothing in its last hour, so a zero of long ago may be left out.
    held = binary(over_time("last", so_far, REMEMBERED), "!=", scalar(0))
    over = both(held, binary(last, "!=", _hour_begin()), on=())
    yield Recording(
        names.of_hour(ledger.metric), over, labels, "Once an hour: what the ledger holds of the one before."
    )
    same_hour = binary(last, "== bool", _hour_begin())
    carried = labelled(binary(held, "*", same_hour, on=(), group_left=()), _PART, "before")
    begun = sum_without([_PART], either(ledger.just_recorded(), carried))
    yield Recording(so_far.metric, begun, labels, "What the ledger holds of the hour that is not over.")


def _hour_begin() -> Expr:
    now = call("time")
    return binary(now, "-", binary(now, "%", scalar(HOUR_SECONDS)))

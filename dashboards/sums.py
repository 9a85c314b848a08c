"""How the dashboard adds the ledger up, over its time range and over the bars of a graph.

The ledger has one entry a step, so any span of time is the sum of the entries in it, each exactly once; never a sum
over samples of a sliding window: a sliding hour sampled every minute counts each dollar sixty times, and sampled every
two hours skips every other one. Over weeks that would be tens of thousands of entries for each series, so hours are
read (`rules/hours.py`): between two moments the ledger grew by

- the hours that were put down between them,
- plus what the open hour held at the later moment,
- less what the open hour held at the earlier one.

That is the sum of the steps, at any zoom, for a sixtieth of the reading. Of each moment it holds all up to the last
full step of the clock at which the hours were recorded: usually one step before it.

- A total over the dashboard's range lies between its begin and its end.
- A bar lies between a point of the graph and the next one, so that bars meet without gap or overlap. It is stamped with
  its start, so that the running hour is a growing bar and not one that appears when the hour is over. The running bar
  alone, whose end is still to come, is summed from the steps, and from the one before it: that is where the bar before
  it ends.

Where Prometheus did not run at one of these moments, nobody knows what the open hour held: a bar may then lend the next
one up to an hour, and a range may hold up to an hour too much at its begin, too little at its end.
"""

from __future__ import annotations

from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.placeholders import INTERVAL, RANGE
from tollbook.gen.promql import (
    Expr,
    Selector,
    Window,
    both,
    either,
    negative,
    over_time,
    rounded,
    sum_of_parts,
    unless,
)
from tollbook.gen.promql_moments import at_end, is_end

#: Dollars or tokens, far below what is shown and far above what floats leave over. A power of two, for floats are
#: rounded to multiples of one without an error.
_DUST = Decimal(2) ** -30


def in_range(ledger: Selector) -> Expr:
    return in_window(ledger, RANGE)


def in_window(ledger: Selector, window: Window) -> Expr:
    """Of the time up to now, or up to the end of the dashboard's range."""
    so_far = _hour_to_date(ledger)
    return _grown(over_time("sum", _of_hour(ledger), window), so_far.now(), so_far.now(window))


def per_bar(ledger: Selector, step: Duration) -> Expr:
    so_far = _hour_to_date(ledger)
    over = _grown(over_time("sum", _of_hour(ledger), INTERVAL, -INTERVAL), so_far.now(-INTERVAL), so_far.now())
    running = sum_of_parts(at_end("sum", ledger, INTERVAL, -INTERVAL), at_end("sum", ledger, step))
    return either(both(running, is_end(), on=()), unless(over, is_end(), on=()))


def steps_in_range(records: Selector) -> Expr:
    """Of what is kept by steps alone."""
    return over_time("sum", records, RANGE)


def bar_width_floor(step: Duration) -> str:
    """The narrowest bar: at least one record each, and a length that Grafana passes on as it is.

    Grafana cuts `$__interval` down to whole numbers of its largest unit, so a floor of 90s would be sent as 1m while
    the points stay 90s apart: a third of the dollars would fall between the bars.
    """
    whole = (Duration.parse(text) for text in ("1m", "2m", "5m", "10m", "15m", "30m", "1h"))
    return next(str(length) for length in whole if length >= step)


def _grown(hours: Expr, later: Expr, earlier: Expr) -> Expr:
    """Where nothing was added the parts cancel but for the last bits of a float, which would be drawn as -$0."""
    return rounded(sum_of_parts(hours, later, negative(earlier)), _DUST)


def _of_hour(ledger: Selector) -> Selector:
    return Selector(names.of_hour(ledger.metric), ledger.matchers)


def _hour_to_date(ledger: Selector) -> Selector:
    return Selector(names.hour_to_date(ledger.metric), ledger.matchers)

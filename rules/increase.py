"""How much counters rose within a window, for alerts: near enough to judge by. Money is counted by the ledger alone."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.promql import Expr, Selector, binary, both, either, over_time, scalar, unless
from tollbook.gen.spec import Spec
from tollbook.rules import selectors
from tollbook.rules.owners import names_standalone
from tollbook.rules.selectors import scraped, target


def risen(spec: Spec, counter: Selector, window: Duration) -> Expr:
    """Of every series that there is now. Where its target was scraped as the window began, but showed no such series or
    a higher value, all of it is new. Where the target was not, only what was seen of it is: the past of a gateway that
    was just installed is not taken for news."""
    watched = binary(scraped(spec, names.UP).now(window), "==", scalar(1))
    rose = either(
        binary(binary(counter.now(), "-", counter.now(window)), ">=", scalar(0)),
        both(counter.now(), watched, on=target(spec)),
        risen_in_sight(counter, window),
    )
    return under_figures_gateway(spec, rose)


def under_figures_gateway(spec: Spec, shown: Expr) -> Expr:
    """What targets show, under the gateway's name in figures: standalone gateways call themselves all alike."""
    if not names_standalone(spec):
        return shown
    known = selectors.owners(spec)
    named = binary(shown, "*", known, on=target(spec), group_left=(names.GATEWAY,))
    return either(named, unless(shown, known, on=target(spec)))


def risen_in_sight(counter: Selector, window: Duration) -> Expr:
    """Above the lowest value that was seen within the window. Not `increase`, which extrapolates, and differently from
    one release of Prometheus to another."""
    return binary(counter.now(), "-", over_time("min", counter, window))

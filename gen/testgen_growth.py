"""Pasts of counters that alerts look back at: for each way in which a counter may have come to its present value, how
much of that counts as new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.promql import Expr, Matcher, eq, series, sum_by
from tollbook.gen.promtest import absent, constant, input_series, values
from tollbook.gen.spec import Gateway, Spec

#: promtool evaluates all rules so often in this file: so far apart that a moment knows nothing of the one before.
PERIOD = Duration.parse("3h")

#: Instants are a twelfth of the window apart. How many of them show each value of a past: twice the window ago, as the
#: window begins, in its first half, in its second, and now.
_RUNS = (12, 7, 5, 6, 1)
_IN_A_WINDOW = 12

#: A value at each of these; `_` where there is none.
Seen = tuple[str, str, str, str, str]
_ALWAYS: Seen = ("1", "1", "1", "1", "1")


@dataclass(frozen=True)
class Past:
    name: str
    seen: Seen
    up: Seen = _ALWAYS
    """Of the pod itself, which is no news to Prometheus where it was scraped as the window began."""
    is_twin: bool = False
    """Whether another cluster has a target of the same name, which was scraped all along."""


def pasts(each: int, rest: int) -> tuple[Past, ...]:
    """Some that count this much `each`, which is zero or one; one that counts the `rest`; and some that count nothing.
    A wrong view of any sees more than that or less, and so changes the sum."""
    risen, since_found = str(10 + each), str(40 + each)
    new = str(each)
    return (
        Past("risen", ("0", "10", "10", risen, risen)),
        Past("begun-anew", ("5", "90", new, new, new)),
        Past("seen-to-begin", ("_", "_", new, new, new), up=("_", "1", "1", "1", "1")),
        Past("found", ("1", "_", "40", since_found, since_found), up=("1", "_", "1", "1", "1")),
        Past("rest", ("0", "10", "10", "10", str(10 + rest))),
        Past("idle", ("100", "100", "100", "100", "100")),
        Past("was-down", ("_", "_", "41", "41", "41"), up=("1", "0", "1", "1", "1")),
        Past("twin", ("_", "_", "41", "41", "41"), up=("_", "_", "1", "1", "1"), is_twin=True),
    )


#: How many of them count `each`.
EACH = 4


def simply(risen: int) -> tuple[Past, ...]:
    return (Past("simply", ("0", "0", "0", "0", str(risen))),)


def moment(number: int) -> Duration:
    """The first is one."""
    return Duration(number * PERIOD.milliseconds)


def instants(window: Duration) -> Duration:
    return Duration(window.milliseconds // _IN_A_WINDOW)


def line(window: Duration, seen: Seen, *moments: int) -> str:
    """The past as each of these moments ends it."""
    runs = zip(seen, _RUNS, strict=True)
    text = [absent(many) if value == "_" else constant(int(value), many) for value, many in runs]
    return _at_moments(window, " ".join(text), sum(_RUNS), moments)


def once(window: Duration, value: int, ago: int, *moments: int) -> str:
    """This value alone, so many instants before each of these moments."""
    return _at_moments(window, values(str(value), absent(ago)), 1 + ago, moments)


def _at_moments(window: Duration, text: str, many: int, moments: Sequence[int]) -> str:
    every = instants(window).milliseconds
    ends = [number * PERIOD.milliseconds // every + 1 for number in moments]
    gaps = [end - many - before for end, before in zip(ends, [0, *ends], strict=False)]
    return values(*(part for gap in gaps for part in (absent(gap), text)))


@dataclass(frozen=True)
class Counter:
    """One metric of a gateway, on a pod for each past."""

    spec: Spec
    gateway: Gateway
    metric: str
    window: Duration
    labels: Mapping[str, str]

    def series(self, name: str, lives: Sequence[Past], *moments: int) -> Iterator[dict[str, str]]:
        """`name`: what tells these pods from those of other sums."""
        keep_labels = self.spec.prometheus.keep_labels
        for past in lives:
            target = {**traffic.target(self.gateway, f"{name}-{past.name}"), **traffic.kept_labels(self.spec)}
            yield input_series(names.UP, target, line(self.window, past.up, *moments))
            if past.is_twin and keep_labels:
                elsewhere = {**target, keep_labels[0]: f"other-{keep_labels[0]}"}
                yield input_series(names.UP, elsewhere, line(self.window, _ALWAYS, *moments))
            labels = {
                **target,
                names.GATEWAY: self.gateway.id,
                **traffic.spend_labels(self.spec),
                **self.labels,
            }
            yield input_series(self.metric, labels, line(self.window, past.seen, *moments))


def told(alert: str, by: Sequence[str], *matchers: Matcher) -> Expr:
    """One for each of these labels of which the alert is told, although it may still wait."""
    return sum_by(by, series("ALERTS", eq("alertname", alert), *matchers).now())

"""Tests of what a pod's past means for what it is billed now: outages, returns, late starts, new labels.

Each history ends in the one step that is evaluated, so that hours of it cost no more than minutes. Its tokens bear a
model name of their own, and its pods a fleet of their own, so that all histories are told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import REPORTS_USD_SINCE
from tollbook.gen.promql import Expr, binary, eq, scalar, series, sum_by
from tollbook.gen.promtest import Case, absent, constant, expect, input_series, values
from tollbook.gen.spec import Gateway, Spec

#: Since when a target may be known and still be new, since when its fleet must be, and when a target is forgotten.
_STARTING, _WATCHED, _REMEMBERED = Duration.parse("10m"), Duration.parse("15m"), Duration.parse("1d")

#: What may change on a target while its pod runs on.
_PASSING = ("namespace", "container", "endpoint", "node", "service", names.GATEWAY_NAME_TARGET_LABEL)


@dataclass(frozen=True)
class _Life:
    """One series: its values in promtool's notation, and labels besides those of its pod."""

    seen: str
    labels: dict[str, str] = field(default_factory=dict)
    pod: str = "pod"


@dataclass(frozen=True)
class _History:
    name: str
    billed: int
    up: tuple[_Life, ...]
    counter: tuple[_Life, ...]


@dataclass(frozen=True)
class _Grid:
    """Samples half a step apart; of them the last two lie in the step that is evaluated."""

    spec: Spec
    end: Duration

    @property
    def every(self) -> Duration:
        return Duration(self.spec.prometheus.step.milliseconds // 2)

    @property
    def last(self) -> int:
        return (self.end - self.spec.prometheus.settle).milliseconds // self.every.milliseconds

    def within(self, duration: Duration) -> int:
        """How many samples lie certainly within this time before the step."""
        return duration.milliseconds // self.every.milliseconds - 4

    def beyond(self, duration: Duration) -> int:
        return duration.milliseconds // self.every.milliseconds + 6

    def line(self, *ending: str | tuple[str, int]) -> str:
        """These samples at the end, each of them once or so many times, and none before."""
        runs = [(part, 1) if isinstance(part, str) else part for part in ending]
        text = [absent(count) if value == "_" else _run(value, count) for value, count in runs if count > 0]
        return values(absent(self.last + 1 - sum(count for _, count in runs if count > 0)), *text)


def _run(value: str, count: int) -> str:
    return " ".join([value] * count) if value == "stale" else constant(int(value), count)


def case(spec: Spec, end: Duration) -> Case:
    grid = _Grid(spec, end)
    histories = list(_histories(grid))
    series_in = [
        one
        for gateway in spec.gateways
        for history in histories
        for one in (*_targets(spec, gateway, history), *_counters(spec, gateway, history))
    ]
    tokens = series(names.metered_tokens(spec.prometheus.step), eq(names.TOKEN_TYPE, names.OUTPUT)).now()
    requests = series(names.metered_requests(spec.prometheus.step)).now()
    expected = [_expected(record, end, spec.gateways, histories) for record in (tokens, requests)]
    reporting = [gateway for gateway in spec.gateways if gateway.version >= REPORTS_USD_SINCE]
    if reporting:
        expected.append(_expected(series(names.metered_usd(spec.prometheus.step)).now(), end, reporting, histories))
    return Case("what a pod's past means for its bill", grid.every, tuple(series_in), tuple(expected))


def _expected(metered: Expr, end: Duration, gateways: Sequence[Gateway], histories: Sequence[_History]) -> Any:
    by = (names.GATEWAY, names.RESPONSE_MODEL)
    billed = [
        ({names.GATEWAY: gateway.id, names.RESPONSE_MODEL: history.name}, history.billed)
        for gateway in gateways
        for history in histories
        if history.billed
    ]
    return expect(binary(sum_by(by, metered), ">", scalar(0)), end, billed)


def _histories(grid: _Grid) -> Iterator[_History]:
    yield from _within_the_step(grid)
    yield from _outages(grid)
    yield from _returns(grid)
    yield from _fleets(grid)
    yield from _labels(grid)
    yield from _clusters(grid)


def _within_the_step(grid: _Grid) -> Iterator[_History]:
    always = (_Life(grid.line(("1", 40))),)
    old = ("5000", 20)
    yield _History("reset", 1200, always, (_Life(grid.line(old, "5500", "700")),))
    yield _History("ended", 600, always, (_Life(grid.line(old, "5600", "stale")),))
    yield _History("reset-and-ended", 70, always, (_Life(grid.line(old, "70", "stale")),))
    yield _History("risen-twice", 300, always, (_Life(grid.line(old, "5100", "5300")),))


def _outages(grid: _Grid) -> Iterator[_History]:
    gap = grid.spec.prometheus.gap
    short, long = grid.within(gap), grid.beyond(gap)
    for name, down, billed, born in (("back", short, 1000, 450), ("back-late", long, 0, 0)):
        up = (_Life(grid.line(("1", 20), ("0", down), "1", "1")),)
        away = "stale", ("_", down - 1)
        yield _History(name, billed, up, (_Life(grid.line(("600", 19), "5000", *away, "6000", "6000")),))
        restarted = _Life(grid.line(("600", 19), "5000", *away, "650", "650"))
        yield _History(f"restarted-{name}", billed and 650, up, (restarted,))
        yield _History(f"born-{name}", born, up, (_Life(grid.line("450", "450")),))


def _returns(grid: _Grid) -> Iterator[_History]:
    """On a fleet that has long been watched."""
    fleet = _Life(grid.line(("1", grid.beyond(_WATCHED) * 2)), pod="other")
    counter = (_Life(grid.line("700", "700")),)
    for name, failed, billed in (("starting", grid.within(_STARTING), 700), ("stuck", grid.beyond(_STARTING), 0)):
        yield _History(name, billed, (fleet, _Life(grid.line(("0", failed), "1", "1"))), counter)
    day = Duration(_REMEMBERED.milliseconds + _STARTING.milliseconds)
    for name, away, billed in (("known", grid.within(day), 0), ("forgotten", grid.beyond(day), 700)):
        up = _Life(grid.line(("1", 10), "stale", ("_", away - 1), "1", "1"))
        yield _History(name, billed, (fleet, up), counter)


def _fleets(grid: _Grid) -> Iterator[_History]:
    """A new pod, beside another one that was first seen, or last, so long ago."""
    pod, counter = _Life(grid.line("1", "1")), (_Life(grid.line("800", "800")),)
    last = Duration(_WATCHED.milliseconds + grid.spec.prometheus.gap.milliseconds)
    for name, since, billed in (("watched", grid.beyond(_WATCHED), 800), ("installed", grid.within(_WATCHED), 0)):
        yield _History(name, billed, (_Life(grid.line(("1", since + 2)), pod="other"), pod), counter)
    for name, away, billed in (("all-new", grid.within(last), 800), ("all-new-late", grid.beyond(last), 0)):
        other = _Life(grid.line(("1", 10), "stale", ("_", away + 1)), pod="other")
        yield _History(name, billed, (other, pod), counter)


def _labels(grid: _Grid) -> Iterator[_History]:
    """What changes within the step: a label of the target, and so of all its series; or the pod at an address."""
    before, after = grid.line(("1", 20), "stale", "_"), grid.line("1", "1")
    old, new = grid.line(("5000", 20), "stale", "_"), grid.line("6000", "6000")
    relabelled = tuple({"pod": "p", "zone": zone} for zone in ("a", "b"))
    yield _History(
        "relabelled",
        0,
        (_Life(grid.line(("1", 20), "stale"), relabelled[0]), _Life(grid.line("1"), relabelled[1])),
        (_Life(grid.line(("5000", 20), "stale"), relabelled[0]), _Life(grid.line("6000"), relabelled[1])),
    )
    pods = tuple({"pod": pod} for pod in ("p", "q"))
    yield _History(
        "replaced", 6000, (_Life(before, pods[0]), _Life(after, pods[1])), (_Life(old, pods[0]), _Life(new, pods[1]))
    )
    always = (_Life(grid.line(("1", 40))),)
    for label in _PASSING:
        passing = tuple(_Life(seen, {label: value}) for seen, value in ((old, "a"), (new, "b")))
        yield _History(f"passing-{label}", 0, always, passing)


def _clusters(grid: _Grid) -> Iterator[_History]:
    """Another cluster has a target of the same name: it is not this one."""
    keep_labels = grid.spec.prometheus.keep_labels
    if not keep_labels:
        return
    other = {keep_labels[0]: f"other-{keep_labels[0]}"}
    long_ago = grid.line(("1", grid.beyond(_WATCHED) * 2))
    twin, fleet = _Life(long_ago, other), _Life(long_ago, pod="other")
    joined = _Life(grid.line("1", "1"))
    yield _History("twin-known", 0, (twin, joined), (_Life(grid.line("800", "800")),))
    yield _History("twin-joined", 800, (twin, fleet, joined), (_Life(grid.line("800", "800")),))
    down = _Life(grid.line(("1", 20), ("0", 4), "1", "1"))
    back = _Life(grid.line(("5000", 20), "stale", ("_", 3), "6000", "6000"))
    yield _History("twin-down", 1000, (twin, down), (back,))
    restarted = _Life(grid.line(("600", 19), "5000", "stale", ("_", 3), "650", "700"))
    yield _History("twin-restarted", 700, (twin, down), (restarted,))


def _targets(spec: Spec, gateway: Gateway, history: _History) -> Iterator[dict[str, str]]:
    for life in history.up:
        labels = {**_target(gateway, history, life), **traffic.kept_labels(spec), **life.labels}
        yield input_series(names.UP, labels, life.seen)


def _counters(spec: Spec, gateway: Gateway, history: _History) -> Iterator[dict[str, str]]:
    """Of tokens, of requests, and where the gateway counts them of dollars, as if each token were one of them."""
    for life in history.counter:
        labels = {
            **_target(gateway, history, life),
            names.GATEWAY: gateway.id,
            names.PROVIDER: spec.models[0].provider,
            names.REQUEST_MODEL: history.name,
            names.RESPONSE_MODEL: history.name,
            **traffic.spend_labels(spec),
            **life.labels,
        }
        yield input_series(names.TOKEN_USAGE_SUM, {**labels, names.TOKEN_TYPE: names.OUTPUT}, life.seen)
        yield input_series(names.LLM_REQUESTS, labels, life.seen)
        if gateway.version >= REPORTS_USD_SINCE:
            yield input_series(names.REPORTED_USD, labels, life.seen)


def _target(gateway: Gateway, history: _History, life: _Life) -> dict[str, str]:
    target = traffic.target(gateway, f"{history.name}-{life.pod}")
    return {**target, names.GATEWAY_NAME_TARGET_LABEL: f"{gateway.name}-{history.name}"}

"""Tests of what a pod's past means for what it is billed now.

The tokens of each history bear a model name of their own, and its pods a fleet of their own, so that all of them are
told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tollbook.gen import names, testgen_lives, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import reports_usd
from tollbook.gen.promql import Expr, binary, scalar, series, sum_by
from tollbook.gen.promtest import Case, expect, input_series
from tollbook.gen.spec import Gateway, Monitor, Spec
from tollbook.gen.testgen_lives import Grid, History, Life

#: At shorter steps the day in which a pod is remembered holds more samples of a few pods than promtool reads.
_SHORTEST_TRIED = Duration.parse("30s")


def cases(spec: Spec, end: Duration) -> Iterator[Case]:
    half_a_step = Duration(spec.prometheus.step.milliseconds // 2)
    if spec.prometheus.step >= _SHORTEST_TRIED:
        yield _case("what a pod's past means for its bill", spec, Grid(spec, end, half_a_step), testgen_lives.histories)


def edges(spec: Spec, end: Duration) -> Iterator[Case]:
    if traffic.is_fine_enough(spec):
        grid = Grid(spec, end, traffic.within_settling(spec))
        yield _case("what is scraped before a step ends, and after", spec, grid, testgen_lives.edges)


def _case(title: str, spec: Spec, grid: Grid, told: Callable[[Grid], Iterator[History]]) -> Case:
    histories = list(told(grid))
    gateways = list({gateway.monitor: gateway for gateway in spec.gateways if _bears_its_own_name(gateway)}.values())
    series_in = [
        one
        for gateway in gateways
        for history in histories
        for one in (*_targets(spec, gateway, history), *_counters(spec, gateway, history))
    ]
    tokens = series(names.tokens(spec.prometheus.step)).now()
    requests = series(names.requests(spec.prometheus.step)).now()
    expected = [_expected(record, grid.end, gateways, histories) for record in (tokens, requests)]
    reporting = [gateway for gateway in gateways if reports_usd(gateway)]
    if reporting:
        usd = series(names.reported_usd(spec.prometheus.step)).now()
        expected.append(_expected(usd, grid.end, reporting, histories))
    return Case(title, grid.every, tuple(series_in), tuple(expected))


def _bears_its_own_name(gateway: Gateway) -> bool:
    """The spec calls standalone gateways in somebody else's job by one name each, so they have no place for many."""
    return gateway.monitor is not Monitor.NONE or bool(gateway.namespace)


def _expected(metered: Expr, end: Duration, gateways: Sequence[Gateway], histories: Sequence[History]) -> Any:
    by = (names.GATEWAY, names.MODEL)
    billed = [
        ({names.GATEWAY: _fleet(gateway, history), names.MODEL: history.name}, history.billed)
        for gateway in gateways
        for history in histories
        if history.billed
    ]
    return expect(binary(sum_by(by, metered), ">", scalar(0)), end, billed)


def _targets(spec: Spec, gateway: Gateway, history: History) -> Iterator[dict[str, str]]:
    for life in history.up:
        labels = {**_target(gateway, history, life), **traffic.kept_labels(spec), **life.labels}
        yield input_series(names.UP, labels, life.seen)
        if gateway.monitor is Monitor.NONE:  # there a pod is known by what the ledger recorded of it
            yield input_series(names.USAGE_SEEN, {**_own_name(gateway, history), **labels}, life.seen)
        if history.tells_version:
            tag = ".".join(map(str, gateway.version))
            yield input_series(names.BUILD_INFO, {**labels, names.TAG: f"v{tag}.0"}, life.seen)


def _counters(spec: Spec, gateway: Gateway, history: History) -> Iterator[dict[str, str]]:
    """Of tokens, of requests, and where the gateway counts them of dollars, as if each token were one of them."""
    for life in history.counter:
        labels = {
            **_target(gateway, history, life),
            **_own_name(gateway, history),
            names.PROVIDER: spec.models[0].provider,
            names.REQUEST_MODEL: history.name,
            names.RESPONSE_MODEL: history.name,
            **traffic.spend_labels(spec),
            **life.labels,
        }
        yield input_series(names.TOKEN_USAGE_SUM, {**labels, names.TOKEN_TYPE: names.OUTPUT}, life.seen)
        yield input_series(names.LLM_REQUESTS, labels, life.seen)
        if reports_usd(gateway):
            yield input_series(names.REPORTED_USD, labels, life.seen)


def _target(gateway: Gateway, history: History, life: Life) -> dict[str, str]:
    target = traffic.target(gateway, f"{history.name}-{life.pod}")
    return {**target, **_own_name(gateway, history)} if gateway.monitor is not Monitor.NONE else target


def _own_name(gateway: Gateway, history: History) -> dict[str, str]:
    """A gateway for each history."""
    return {names.GATEWAY: _fleet(gateway, history)}


def _fleet(gateway: Gateway, history: History) -> str:
    return f"{gateway.id}-{history.name}"

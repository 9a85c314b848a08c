"""Tests of the counting itself, on every gateway: births, restarts, resets, new pods, what was there before; and of the
figures that the article's commands ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tollbook.gen import names, oracle, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import reports_usd
from tollbook.gen.oracle import Request
from tollbook.gen.promql import Expr, series, sum_by, sum_of_steps
from tollbook.gen.promtest import Case, absent, billionths, constant, expect, in_billionths, values
from tollbook.gen.spec import Gateway, Model, Spec
from tollbook.gen.traffic import TOKENS

#: A fleet must have been watched for fifteen minutes, a step and the settling before a new pod is billed from zero.
WATCHED = Duration.parse("20m")


#: Who asked, was answered, and used no token.
_FAILING, _FAILED = "tollbook-test-failing", 40


def cases(spec: Spec) -> Iterator[Case]:
    model = next(iter(traffic.priced_models(spec)), spec.models[0])
    yield _counting(spec, model)
    yield _totals(spec, model)


def _counting(spec: Spec, model: Model) -> Case:
    joins = traffic.steps_in(spec, WATCHED) + 1
    end = traffic.counted(spec, joins)
    always = constant(1, end + 1)
    lives = (
        # pod, what `up` was, what its counter showed, how much of that is to be billed
        ("old", always, values(constant(5_000_000, 4), constant(5_001_000, end)), 1_000),
        ("born", always, values(absent(3), constant(2_000, end)), 2_000),
        ("reset", always, values(absent(2), constant(4_000, 2), constant(700, end)), 4_700),
        ("restarted", always, values(absent(1), constant(3_000, 3), "stale", absent(1), constant(3_500, end)), 6_500),
        ("ended", values(constant(1, 5), "stale"), values(absent(2), constant(1_500, 2), "1600", "stale"), 1_600),
        ("joined", values(absent(joins), always), values(absent(joins), constant(900, end)), 900),
    )
    series_in = []
    for gateway in spec.gateways:
        request = traffic.request_of(spec, gateway, model, model.name)
        series_in += [traffic.up(spec, gateway, pod, scraped) for pod, scraped, _, _ in lives]
        series_in += [traffic.counter(spec, request, names.OUTPUT, seen, pod) for pod, _, seen, _ in lives]
        # As if each token had been a request.
        series_in += [traffic.request_counter(spec, request, seen, pod) for pod, _, seen, _ in lives]
        series_in += _requests_that_failed(spec, request, end)
        if reports_usd(gateway):
            series_in += [traffic.usd_counter(spec, request, seen, pod) for pod, _, seen, _ in lives]
    at = traffic.instant(spec, end)
    billed = sum(tokens_billed for _, _, _, tokens_billed in lives)
    output = {names.MODEL: model.name, names.TOKEN_TYPE: names.OUTPUT}
    expected = [_counted_as(spec, names.tokens(spec.prometheus.step), at, {billed: output})]
    expected += [
        _counted_as(spec, names.requests(spec.prometheus.step), at, figures)
        for figures in ({billed + _FAILED: {names.MODEL: model.name}}, *_by_spender(spec, billed))
    ]
    return Case("births, resets, restarts, ends and new pods", spec.prometheus.step, tuple(series_in), tuple(expected))


def _requests_that_failed(spec: Spec, request: Request, end: int) -> Iterator[dict[str, str]]:
    labels = {entry.label: _FAILING for entry in spec.attribution[:1]}
    failed = replace(request, response_model=names.UNKNOWN, labels={**request.labels, **labels})
    yield traffic.request_counter(spec, failed, values(absent(2), constant(_FAILED, end)), "old")


def _by_spender(spec: Spec, billed: int) -> Iterator[dict[int, dict[str, str]]]:
    """Who used no tokens is known by name while there is a place left."""
    for entry in spec.attribution[:1]:
        spender = traffic.spend_labels(spec)[entry.label]
        failing = _FAILING if entry.limit > 1 else names.OTHER
        yield {billed: {entry.label: spender}, _FAILED: {entry.label: failing}}


def _counted_as(spec: Spec, record: str, at: Duration, figures: dict[int, dict[str, str]]) -> dict[str, Any]:
    """On every gateway, these sums under these labels."""
    kept = traffic.kept_labels(spec)
    by = dict.fromkeys(label for labels in figures.values() for label in labels)
    counted = sum_by((names.GATEWAY, *kept, *by), sum_of_steps(series(record), at))
    samples = [
        ({names.GATEWAY: gateway.id, **kept, **labels}, figure)
        for gateway in spec.gateways
        for figure, labels in figures.items()
    ]
    return expect(counted, at, samples)


def _totals(spec: Spec, model: Model) -> Case:
    """Every gateway spends another amount; a step later every window still holds it."""
    requests = [_shared_out(spec, gateway, model, number) for number, gateway in enumerate(spec.gateways, start=1)]
    prompt = {r.gateway.id: r.input + r.cache_read + r.cache_write for r in requests}
    output = {request.gateway.id: request.output for request in requests}
    usd = {request.gateway.id: _billionths(spec, [request]) for request in requests}
    at = traffic.instant(spec, traffic.counted(spec) + 1)
    samples = [
        *_figures(spec, at, names.INPUT_TOKENS_TOTAL, names.INPUT_TOKENS_BY_GATEWAY, prompt),
        *_figures(spec, at, names.OUTPUT_TOKENS_TOTAL, names.OUTPUT_TOKENS_BY_GATEWAY, output),
        *_figures(spec, at, names.COST_HOURLY, names.COST_BY_GATEWAY, usd, billionths),
    ]
    for record in (names.COST_DAILY, names.COST_WEEKLY, names.COST_MONTHLY):
        samples.append(expect(billionths(series(record).now()), at, [(traffic.kept_labels(spec), sum(usd.values()))]))
    series_in = [traffic.up(spec, gateway) for gateway in spec.gateways]
    series_in += traffic.counters(spec, requests)
    return Case("the figures of the article's names", spec.prometheus.step, tuple(series_in), tuple(samples))


def _shared_out(spec: Spec, gateway: Gateway, model: Model, number: int) -> Request:
    tokens = {"input": TOKENS * number, "output": 10 * TOKENS * number}
    if traffic.counts_cached_tokens(gateway):
        tokens |= {"cache_read": 100 * TOKENS * number, "cache_write": 1000 * TOKENS * number}
    return traffic.request_of(spec, gateway, model, model.name, **tokens)


def _figures(
    spec: Spec,
    at: Duration,
    total: str,
    by_gateway: str,
    figures: dict[str, int],
    unit: Callable[[Expr], Expr] | None = None,
) -> Iterator[dict[str, Any]]:
    """A record of the fleet and its parts by gateway, each with exactly the labels that the contract gives it. What is
    read in another unit has lost its name."""
    kept = traffic.kept_labels(spec)
    for record, parts in (
        (total, [(kept, sum(figures.values()))]),
        (by_gateway, [({**kept, names.GATEWAY: gateway}, figure) for gateway, figure in figures.items()]),
    ):
        stored = series(record).now()
        own_name = {} if unit else {"__name__": record}
        expected = [({**own_name, **labels}, figure) for labels, figure in parts]
        yield expect(unit(stored) if unit else stored, at, expected)


def _billionths(spec: Spec, requests: list[Request]) -> int:
    return in_billionths(sum(oracle.dollars(spec, requests).values(), Decimal()))

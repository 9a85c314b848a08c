"""Tests that every price of the spec is the one that is billed: each name and each token type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import count

from tollbook.gen import names, oracle, traffic
from tollbook.gen.oracle import Request
from tollbook.gen.promql import eq, series, sum_by, sum_of_steps
from tollbook.gen.promtest import Case, billionths, expect, in_billionths
from tollbook.gen.spec import Gateway, Spec
from tollbook.gen.traffic import TOKENS

#: Providers of every format, and models of those that have more than one.
_FORMATS = (
    ("openai", "tollbook-test-gpt"),
    ("anthropic", "claude-tollbook-test"),
    ("aws.bedrock", "claude-tollbook-test"),
    ("gcp.vertex_ai", "tollbook-test-gemini"),
    ("gcp.vertex_ai", "claude-tollbook-test"),
    ("gcp.vertex_ai", "publishers/anthropic/models/claude-tollbook-test"),
    ("copilot", "tollbook-test-gpt"),
    ("copilot", "claude-tollbook-test"),
)


def cases(spec: Spec) -> Iterator[Case]:
    for gateway in traffic.one_of_each_version(spec):
        yield _every_name(spec, gateway)
        yield _every_format(spec, gateway)
    yield _by_request_model(spec)


def _every_name(spec: Spec, gateway: Gateway) -> Case:
    """Another number of tokens for every name and type, so that no two can be mistaken for each other."""
    numbers = count(1)
    requests = []
    for model in spec.models:
        for name in model.metric_names:
            # Fewer are cached: more would tell by themselves that input does not include them.
            tokens = {"input": 10 * TOKENS * next(numbers), "output": TOKENS * next(numbers)}
            if traffic.counts_cached_tokens(gateway):
                tokens |= {"cache_read": TOKENS * next(numbers), "cache_write": TOKENS * next(numbers)}
            requests.append(traffic.request_of(spec, gateway, model, name, **tokens))
    major, minor = gateway.version
    title = f"every price, as a gateway of version {major}.{minor} counts ({gateway.id})"
    return _spend_case(spec, gateway, title, requests)


def _every_format(spec: Spec, gateway: Gateway) -> Case:
    """What `input` means depends on the provider, and on the model where one serves several formats; priced or not."""
    cached = {"cache_read": 4 * TOKENS, "cache_write": 2 * TOKENS} if traffic.counts_cached_tokens(gateway) else {}
    labels = traffic.spend_labels(spec)
    requests = [
        Request(gateway, provider, name, name, 7 * TOKENS * number, 8 * TOKENS, labels=labels, **cached)
        for number, (provider, name) in enumerate(_FORMATS, start=1)
    ]
    at, by = traffic.instant(spec, traffic.counted(spec)), (names.PROVIDER, names.MODEL, names.TOKEN_TYPE)
    billable = series(names.billable_tokens(spec.prometheus.step), eq(names.GATEWAY, gateway.id)).now()
    samples = [
        (dict(zip(by, (request.provider, request.request_model, token_type), strict=True)), count)
        for request in requests
        for token_type, count in request.tokens.items()
        if count
    ]
    major, minor = gateway.version
    title = f"each token once, whatever a provider's format counts as input ({major}.{minor}, {gateway.id})"
    series_in = (traffic.up(spec, gateway), *traffic.counters(spec, requests))
    return Case(title, spec.prometheus.step, series_in, (expect(sum_by(by, billable), at, samples),))


def _by_request_model(spec: Spec) -> Case:
    """Where the response names no model or one that is not listed, the request's counts; the response goes first."""
    gateway = spec.gateways[0]
    names_shown = []
    for model in spec.models:
        names_shown += [(model, model.name, names.UNKNOWN), (model, model.name, traffic.UNLISTED_MODEL)]
    for asked, answered in zip(spec.models, spec.models[1:], strict=False):
        if asked.provider == answered.provider:
            names_shown.append((asked, asked.name, answered.name))
    labels = traffic.spend_labels(spec)
    requests = [
        Request(gateway, model.provider, asked_for, answer, output=TOKENS * number, labels=labels)
        for number, (model, asked_for, answer) in enumerate(names_shown, start=1)
    ]
    return _spend_case(spec, gateway, "the model is found by the response, else by the request", requests)


def _spend_case(spec: Spec, gateway: Gateway, title: str, requests: list[Request]) -> Case:
    at = traffic.instant(spec, traffic.counted(spec))
    by = (names.PROVIDER, names.MODEL, names.TOKEN_TYPE)
    cost = series(names.cost(spec.prometheus.step), eq(names.GATEWAY, gateway.id))
    usd_by_label: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for cell, usd in oracle.dollars(spec, requests).items():
        usd_by_label[cell.provider, cell.model, cell.token_type] += usd
    samples = [(dict(zip(by, key, strict=True)), in_billionths(usd)) for key, usd in usd_by_label.items()]
    expected = expect(billionths(sum_by(by, sum_of_steps(cost, at))), at, samples)
    return Case(
        title, spec.prometheus.step, (traffic.up(spec, gateway), *traffic.counters(spec, requests)), (expected,)
    )

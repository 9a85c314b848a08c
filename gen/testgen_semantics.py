"""Tests of who counts how: pods of several versions at once, and a provider of two names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from tollbook.gen import names, traffic
from tollbook.gen.oracle import Request
from tollbook.gen.promql import eq, series, sum_by, sum_of_steps
from tollbook.gen.promtest import Case, expect
from tollbook.gen.spec import Gateway, Model, Spec
from tollbook.gen.traffic import TOKENS

#: What pods say of themselves in a rollout, and the version that they count as; None: as the spec says.
TAGS = {
    "v0.11.2": (0, 11),
    "v1.1.0": (1, 1),
    "1.4.1": (1, 4),
    "v1.5.0": (1, 5),
    "1.5.1": (1, 5),
    "v1.6.0-rc.1": None,
    "v2.0.0": (2, 0),
    "3f2c9ab": None,
}


def cases(spec: Spec) -> Iterator[Case]:
    for gateway in traffic.one_of_each_version(spec):
        yield _rollout(spec, gateway)


def _rollout(spec: Spec, gateway: Gateway) -> Case:
    """A model of each provider on a pod of each version: the sum is what was used, whatever each pod calls input."""
    numbers = count(1)
    end = traffic.counted(spec)
    series_in: list[dict[str, str]] = []
    used: dict[tuple[str, str, str], int] = defaultdict(int)
    for number, (tag, version) in enumerate(TAGS.items()):
        pod, as_counted = f"pod-{number}", replace(gateway, version=version or gateway.version)
        series_in += [traffic.up(spec, gateway, pod), traffic.build_info(spec, gateway, pod, tag, end + 1)]
        for model in _one_of_each_provider(spec):
            request = _request(spec, as_counted, model, numbers)
            series_in += traffic.counters(spec, [request], pod)
            for token_type, tokens in request.tokens.items():
                used[model.provider, model.name, token_type] += tokens
    by = (names.PROVIDER, names.MODEL, names.TOKEN_TYPE)
    at = traffic.instant(spec, end)
    recorded = series(names.tokens(spec.prometheus.step), eq(names.GATEWAY, gateway.id))
    samples = [(dict(zip(by, cell, strict=True)), tokens) for cell, tokens in used.items()]
    expected = expect(sum_by(by, sum_of_steps(recorded, at)), at, samples)
    title = f"pods of all versions at once ({gateway.id})"
    return Case(title, spec.prometheus.step, tuple(series_in), (expected,))


def _one_of_each_provider(spec: Spec) -> list[Model]:
    return list({model.provider: model for model in reversed(spec.models)}.values())[::-1]


def _request(spec: Spec, gateway: Gateway, model: Model, numbers: Iterator[int]) -> Request:
    """With fewer cached tokens than input: more would tell by themselves that input does not include them."""
    tokens = {"input": 10 * TOKENS * next(numbers), "output": TOKENS * next(numbers)}
    if traffic.counts_cached_tokens(gateway):
        tokens |= {"cache_read": TOKENS * next(numbers), "cache_write": TOKENS * next(numbers)}
    return traffic.request_of(spec, gateway, model, model.name, **tokens)

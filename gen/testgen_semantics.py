"""Tests of who counts how: pods of several versions at once, and a provider of two names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.oracle import Request
from tollbook.gen.promql import eq, series, sum_by, sum_of_steps
from tollbook.gen.promtest import Case, absent, expect, input_series, values
from tollbook.gen.spec import Gateway, Model, Spec
from tollbook.gen.testgen_growth import moment
from tollbook.gen.traffic import TOKENS

#: What pods say of themselves in a rollout, and the version that they count as; None: as the spec says.
TAGS = {
    "v0.11.2": (0, 11),
    "v1.1.0": (1, 1),
    "1.4.1": (1, 4),
    "v1.5.0": (1, 5),
    "1.5.1": (1, 5),
    "v1.6.0-rc.1": (1, 6),
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
    tokens = {"input": TOKENS * next(numbers), "output": TOKENS * next(numbers)}
    if traffic.counts_cached_tokens(gateway):
        tokens |= {"cache_read": TOKENS * next(numbers), "cache_write": TOKENS * next(numbers)}
    return traffic.request_of(spec, gateway, model, model.name, **tokens)


# ---- What a pod was --------------------------------------------------------------------------------------------------


#: Tags that mean the same whatever a gateway is told, the newest first, and the names of their meanings.
_NEWEST, _MIDDLE, _OLDEST = "v1.6.0", "v1.1.0", "v0.11.2"
_MEANINGS = {_NEWEST: "1.5", _MIDDLE: "1.0", _OLDEST: "0.0"}
_STATED = ""

#: When a pod shows something: within the step before, at its very end, first or last in the step, first after it.
_LONG_BEFORE, _BEFORE, _FIRST, _LAST, _AFTER = "long before", "before", "first", "last", "after"


@dataclass(frozen=True)
class _Pod:
    """At one address: the versions that it shows, and when; a counter where there is none; and what it counts as, or
    None where nothing is known of it."""

    name: str
    shown: tuple[tuple[str, str], ...]
    meaning: str | None
    labels: dict[str, str] = field(default_factory=dict)
    is_elsewhere: bool = False
    """Whether in another cluster."""


def _pods() -> Iterator[_Pod]:
    for tag in (_NEWEST, _MIDDLE, _OLDEST):
        for when in (_BEFORE, _FIRST, _LAST, _AFTER):
            yield _Pod(f"{tag}-{when}", ((tag, when),), tag if when in (_FIRST, _LAST) else None)
        yield _Pod(f"{tag}-twice", ((tag, _LAST), (f"{tag}-rc.1", _LAST)), tag)
    yield _Pod("counting-before", ((_STATED, _LONG_BEFORE),), None)
    yield _Pod("counting-first", ((_STATED, _FIRST),), _STATED)
    yield _Pod("counting-last", ((_STATED, _LAST),), _STATED)
    yield _Pod("counting-after", ((_STATED, _AFTER),), None)
    yield _Pod("upgraded", ((_MIDDLE, _FIRST), (_NEWEST, _LAST)), _NEWEST)
    yield _Pod("turned-back", ((_NEWEST, _BEFORE), (_MIDDLE, _LAST)), _MIDDLE)
    yield _Pod("turned-far-back", ((_MIDDLE, _BEFORE), (_OLDEST, _LAST)), _OLDEST)
    yield _Pod("unknown-version", (("3f2c9ab", _LAST), (_STATED, _LAST)), _STATED)
    # Neighbours that share all but one label, each of an older version than the one before.
    for newer, older in ((_NEWEST, _MIDDLE), (_MIDDLE, _OLDEST), (_OLDEST, _STATED)):
        name = f"neighbour-{newer}"
        yield _Pod(name, ((newer, _LAST),), newer)
        yield _Pod(name, ((older, _LAST),), older, {names.POD: "other"})
        yield _Pod(name, ((older, _LAST),), older, {names.INSTANCE: f"other-{newer}"})
        yield _Pod(name, ((older, _LAST),), older, is_elsewhere=True)


def pasts(spec: Spec) -> Iterator[Case]:
    """What the pods of a gateway showed around one step, and so count as in it."""
    if traffic.is_fine_enough(spec):
        for gateway in traffic.one_of_each_version(spec):
            yield _meanings(spec, gateway)


def _meanings(spec: Spec, gateway: Gateway) -> Case:
    keep_labels = spec.prometheus.keep_labels
    series_in, samples = [], []
    for pod in _pods():
        if pod.is_elsewhere and not keep_labels:
            continue
        target = {**traffic.target(gateway, pod.name), **traffic.kept_labels(spec), names.POD: pod.name, **pod.labels}
        if pod.is_elsewhere:
            target[keep_labels[0]] = "elsewhere"
        series_in += [_seen(spec, gateway, target, tag, when) for tag, when in pod.shown]
        if pod.meaning is not None:
            known = {label: target[label] for label in (*keep_labels, names.JOB, names.INSTANCE, names.POD)}
            meaning = _MEANINGS[pod.meaning] if pod.meaning else _stated(gateway)
            samples.append((_recorded(gateway, known, meaning), 1))
    recorded = series(names.TARGET_SEMANTICS, eq(names.GATEWAY, gateway.id)).now()
    return Case(
        f"what pods of several versions showed around a step ({gateway.id})",
        _every(spec),
        tuple(series_in),
        (expect(recorded, moment(1), samples),),
    )


def _recorded(gateway: Gateway, known: dict[str, str], meaning: str) -> dict[str, str]:
    own = {"__name__": names.TARGET_SEMANTICS, names.GATEWAY: gateway.id, names.SEMANTICS: meaning}
    return {**own, **known}


def _stated(gateway: Gateway) -> str:
    if gateway.version < (1, 0):
        return "0.0"
    return "1.5" if gateway.version >= ((1, 6) if gateway.legacy_token_semantics else (1, 5)) else "1.0"


def _seen(spec: Spec, gateway: Gateway, target: dict[str, str], tag: str, when: str) -> dict[str, str]:
    """A build, or of no tag a counter."""
    every, settle = _every(spec).milliseconds, spec.prometheus.settle.milliseconds
    step_ends = moment(1).milliseconds - settle
    before, last = ((end // every) for end in (step_ends - spec.prometheus.step.milliseconds, step_ends))
    at = {_LONG_BEFORE: before - 1, _BEFORE: before, _FIRST: before + 1, _LAST: last, _AFTER: last + 1}[when]
    if tag:
        return input_series(names.BUILD_INFO, {**target, names.TAG: tag}, values(absent(at), "1", "stale"))
    labels = {names.GATEWAY: gateway.id, **traffic.spend_labels(spec), **target, names.TOKEN_TYPE: names.OUTPUT}
    return input_series(names.TOKEN_USAGE_SUM, labels, values(absent(at), str(TOKENS), "stale"))


def _every(spec: Spec) -> Duration:
    """So near each other that the first sample after a step's end is nearer to it than half of the settling."""
    return Duration(min(spec.prometheus.settle, spec.prometheus.step).milliseconds // 2)

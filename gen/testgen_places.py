"""Tests of who is kept apart by name and who is summed as others, and of every label of what is metered.

Names are ranked by what their counters stand at in the step that is evaluated: a name that begins or ends in it has its
place like any other, and one that ended before has none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import reports_usd, stated_semantics
from tollbook.gen.promql import one_of, series
from tollbook.gen.promtest import Case, absent, constant, expect, input_series, values
from tollbook.gen.spec import Attribution, Gateway, Spec
from tollbook.gen.testgen_attribution import MOST_VALUES

_MODEL, _OTHER_MODEL = "tollbook-test-model", "tollbook-test-other-model"

#: What the counters of those stand at that are sure of a place.
_HIGH = 100_000


@dataclass(frozen=True)
class _Spender:
    """A value of the label, under which one it is shown, and what its counter was; `_`: nothing."""

    value: str
    shown: str
    before: tuple[str, str]
    """At the end of the step before, two samples."""
    within: tuple[str, str]
    """At the beginning of the step that is evaluated, and at its end."""
    billed: int | None
    """None: nothing is recorded of it, not even that it is nothing."""
    model: str = _MODEL
    has_tokens: bool = True
    """Or only requests: these have a place where one is left."""
    after: str = ""
    """When the step is over, and settles."""


@dataclass(frozen=True)
class _Place:
    """Where they spend. Each cluster keeps its own largest apart."""

    gateway: Gateway
    kept: Mapping[str, str]
    spenders: Sequence[_Spender]


def cases(spec: Spec, end: Duration) -> Iterator[Case]:
    for entry in spec.attribution if traffic.is_fine_enough(spec) else ():
        if entry.limit <= MOST_VALUES:
            yield _case(spec, entry, end)


def _case(spec: Spec, entry: Attribution, end: Duration) -> Case:
    every, step = traffic.within_settling(spec), spec.prometheus.step
    places = list(_places(spec, entry))
    series_in = [line for place in places for line in _series(spec, entry, place, end)]
    counted = names.metered_tokens(step), names.metered_requests(step)
    samples = [_metered(spec, entry, record, places, end) for record in counted]
    reporting = [place for place in places if reports_usd(place.gateway)]
    if reporting:
        samples.append(_metered(spec, entry, names.metered_usd(step), reporting, end))
    return Case(f"which values of {entry.label} are kept apart", every, tuple(series_in), tuple(samples))


def _places(spec: Spec, entry: Attribution) -> Iterator[_Place]:
    kept = traffic.kept_labels(spec)
    for gateway in traffic.one_of_each_version(spec):
        for number in (1, 2) if kept else (1,):
            yield _Place(gateway, _cluster(kept, gateway, number), list(_spenders(entry, number)))
        if kept:
            yield _Place(gateway, _cluster(kept, gateway, 3), list(_without_tokens(entry)))


def _cluster(kept: Mapping[str, str], gateway: Gateway, number: int) -> dict[str, str]:
    return {label: f"{value}-{number}-of-{gateway.slug}" for label, value in kept.items()}


def _spenders(entry: Attribution, cluster: int) -> Iterator[_Spender]:
    """The last place goes to who stands highest with two counters together, and now, not when the step began."""
    yield from _sure_of_a_place(entry.limit - 1, cluster)
    highest, next_highest = ("this", "that") if cluster == 1 else ("that", "this")
    for model in (_MODEL, _OTHER_MODEL):
        yield _Spender(highest, highest, ("2400", "2400"), ("2400", "3100"), 700, model)
    yield _Spender(next_highest, names.OTHER, ("5000", "5000"), ("5000", "6000"), 1_000)
    for model in (_MODEL, _OTHER_MODEL):
        yield _Spender("begins", names.OTHER, ("_", "_"), ("_", "20"), 20, model)
    yield _Spender("ends", names.OTHER, ("30", "30"), ("70", "stale"), 40)
    many = f"{10 * _HIGH}"
    yield _Spender("asks-in-vain", names.OTHER, (many, many), (many, f"{10 * _HIGH + 9}"), 9, has_tokens=False)
    yield _Spender("ended", names.OTHER, (f"{_HIGH}", "stale"), ("_", "_"), 0)
    yield _Spender(names.UNKNOWN, names.UNKNOWN, ("_", "_"), ("_", f"{2 * _HIGH}"), 2 * _HIGH)
    yield _Spender("", "", (f"{2 * _HIGH}",) * 2, (f"{2 * _HIGH + 7}", "stale"), 7)


def _without_tokens(entry: Attribution) -> Iterator[_Spender]:
    """As many as there are places. One stands below zero, as no counter does: whoever took a place that is not theirs
    would take this one, while of equals nobody knows who is taken."""
    yield _Spender("below-zero", "below-zero", ("-9", "-9"), ("-9", "-2"), 7)
    lives = [(("4", "4"), ("9", "stale"), 5), (("_", "_"), ("_", "9"), 9)]
    lives += [(("4", "4"), ("4", "9"), 5)] * entry.limit
    for number, (before, within, billed) in enumerate(lives[: entry.limit - 1]):
        yield _Spender(f"asks-{number}", f"asks-{number}", before, within, billed, has_tokens=False)
    for nobody in (names.UNKNOWN, ""):
        yield _Spender(nobody, nobody, ("4", "4"), ("4", "9"), 5, has_tokens=False)
    yield _Spender("asked-before", "", ("4", "stale"), ("_", "_"), None, has_tokens=False)
    yield _Spender("asks-later", "", ("_", "_"), ("_", "_"), None, has_tokens=False, after="4")


def _sure_of_a_place(count: int, cluster: int) -> Iterator[_Spender]:
    """The first begins in the step, under the very name that others are summed by; the second ends in it."""
    high, more = f"{_HIGH}", f"{_HIGH + 3}"
    lives = [(("_", "_"), ("_", high), _HIGH), ((high, high), (more, "stale"), 3)]
    lives += [((high, high), (high, more), 3)] * count
    for number, (before, within, billed) in enumerate(lives[:count]):
        value = f"sure-{number}-of-cluster-{cluster}" if number else names.OTHER
        yield _Spender(value, value, before, within, billed)


def _series(spec: Spec, entry: Attribution, place: _Place, end: Duration) -> Iterator[dict[str, str]]:
    """Of tokens, of requests, and where the gateway counts them of dollars, as if each token were one of them."""
    every = traffic.within_settling(spec).milliseconds
    last, in_step = (end - spec.prometheus.settle).milliseconds // every, spec.prometheus.step.milliseconds // every
    target = {**traffic.target(place.gateway, "pod"), **place.kept}
    yield input_series(names.UP, target, values(absent(last - 2 * in_step), constant(1, 2 * in_step + 1)))
    for spender in place.spenders:
        labels = {**target, **_asked(spec, entry, place, spender.model), entry.label: spender.value}
        first, second, third, fourth = (absent(1) if one == "_" else one for one in (*spender.before, *spender.within))
        in_time = first, second, absent(1), third, absent(in_step - 2), fourth
        seen = values(absent(last - in_step - 2), *in_time, spender.after)
        yield input_series(names.LLM_REQUESTS, labels, seen)
        if not spender.has_tokens:
            continue
        yield input_series(names.TOKEN_USAGE_SUM, {**labels, names.TOKEN_TYPE: names.OUTPUT}, seen)
        if reports_usd(place.gateway):
            yield input_series(names.REPORTED_USD, labels, seen)


def _metered(spec: Spec, entry: Attribution, record: str, places: Sequence[_Place], at: Duration) -> dict[str, Any]:
    """With all its labels, as it is recorded."""
    billed: dict[tuple[tuple[str, str], ...], int] = defaultdict(int)
    for place in places:
        for spender in place.spenders:
            is_counted = spender.has_tokens or record == names.metered_requests(spec.prometheus.step)
            if spender.billed is None or not is_counted:
                continue
            labels = {"__name__": record, **_asked(spec, entry, place, spender.model), **place.kept}
            if record == names.metered_tokens(spec.prometheus.step):
                labels |= {names.TOKEN_TYPE: names.OUTPUT, names.SEMANTICS: stated_semantics(place.gateway).name}
            if spender.shown:
                labels[entry.label] = spender.shown
            billed[tuple(labels.items())] += spender.billed
    own = series(record, one_of(names.REQUEST_MODEL, [_MODEL, _OTHER_MODEL])).now()
    return expect(own, at, [(dict(labels), amount) for labels, amount in billed.items()])


def _asked(spec: Spec, entry: Attribution, place: _Place, model: str) -> dict[str, str]:
    """What a request is known by, besides the value of the label."""
    others = {each.label: f"test-{each.label}" for each in spec.attribution if each != entry}
    return {
        names.GATEWAY: place.gateway.id,
        names.PROVIDER: spec.models[0].provider,
        names.REQUEST_MODEL: model,
        names.RESPONSE_MODEL: f"{model}-answered",
        **others,
    }

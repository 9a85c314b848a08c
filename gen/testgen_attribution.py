"""Tests of who spends: more names than are kept apart, spend without a name, how both are summed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tollbook.gen import names, oracle, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import reports_usd
from tollbook.gen.promql import series, sum_by, sum_of_steps
from tollbook.gen.promtest import Case, absent, constant, expect, values
from tollbook.gen.spec import Attribution, Gateway, Model, Spec
from tollbook.gen.traffic import BORN, TOKENS

#: A label that may have more values than this is not filled up in a test.
MOST_VALUES = 200

#: What bears nobody's name, in percent of what bears one: at first 9.9 percent of all are nobody's, then 10.7.
_FEW, _MANY = 11, 12


def cases(spec: Spec) -> Iterator[Case]:
    for entry in spec.attribution:
        if entry.limit <= MOST_VALUES:
            yield _who(spec, entry)


@dataclass(frozen=True)
class _Spenders:
    """On a gateway two more than the limit, or three, each using more than the one before. The smallest come later, one
    before the others, and are summed as others; with the first of them nobody's share grows. Half of what is nobody's
    bears no label at all."""

    spec: Spec
    entry: Attribution
    model: Model
    gateway: Gateway
    over_limit: int

    @property
    def unit(self) -> int:
        """Tokens for a dime at least, where they cost anything: alerts are silent below a cent."""
        usd = self.model.prices[0].rates.output * TOKENS / oracle.MILLION
        return TOKENS * (1 + int(Decimal("0.1") / usd)) if usd else TOKENS

    @property
    def used(self) -> dict[str, int]:
        return {f"spender-{number}": self.unit * number for number in range(2, self.entry.limit + self.over_limit + 2)}

    @property
    def late(self) -> tuple[str, ...]:
        return tuple(self.used)[: self.over_limit]

    @property
    def shown(self) -> dict[str, int]:
        kept = {name: tokens for name, tokens in self.used.items() if name not in self.late}
        nobody = {"": self.nobody[-1] // 2, names.UNKNOWN: self.nobody[-1] // 2}
        return {**kept, names.OTHER: sum(self.used[name] for name in self.late), **nobody}

    @property
    def nobody(self) -> tuple[int, int]:
        """Tokens without a name, at first and then: a part of the others, and even."""
        named = sum(self.used.values())
        at_first = named - sum(self.used[name] for name in self.late)
        return at_first * _FEW // 200 * 2, named * _MANY // 200 * 2

    def series(self, steps: int) -> Iterator[dict[str, str]]:
        for name, tokens in self.used.items():
            born = BORN + 1 + min(self.late.index(name), 1) if name in self.late else BORN
            yield from self._counters(name, values(absent(born), constant(tokens, steps - born)))
        first, then = (tokens // 2 for tokens in self.nobody)
        grown = values(absent(BORN), str(first), constant(then, steps - BORN - 1))
        for nobody in ("", names.UNKNOWN):
            yield from self._counters(nobody, grown)

    def _counters(self, value: str, seen: str) -> Iterator[dict[str, str]]:
        """Of tokens, of requests, and where the gateway counts them of dollars, as if each token were one of them."""
        request = traffic.request_of(self.spec, self.gateway, self.model, self.model.name)
        labelled = replace(request, labels={**request.labels, self.entry.label: value})
        yield traffic.counter(self.spec, labelled, names.OUTPUT, seen)
        yield traffic.request_counter(self.spec, labelled, seen)
        if reports_usd(self.gateway):
            yield traffic.usd_counter(self.spec, labelled, seen)


def _who(spec: Spec, entry: Attribution) -> Case:
    """Every other gateway has one spender more, so that none is taken for its neighbour."""
    priced = (model for model in traffic.priced_models(spec) if model.prices[0].rates.output)
    model = next(priced, spec.models[0])
    everybody = [_Spenders(spec, entry, model, gateway, 2 + number % 2) for number, gateway in enumerate(spec.gateways)]
    grown = BORN + 1
    at = traffic.instant(spec, traffic.counted(spec, grown + 1))
    reporting = [spenders for spenders in everybody if reports_usd(spenders.gateway)]
    step = spec.prometheus.step
    summed = [_summed(record, at, everybody) for record in (names.tokens(step), names.requests(step))]
    summed += [_summed(names.reported_usd(step), at, reporting)] if reporting else []
    steps = traffic.counted(spec, grown) + 2
    series_in = [traffic.up(spec, gateway, scraped=constant(1, steps)) for gateway in spec.gateways]
    series_in += [line for spenders in everybody for line in spenders.series(steps)]
    title = f"more values of {entry.label} than the spec keeps apart, and spend without one"
    return Case(title, step, tuple(series_in), tuple(summed))


def _summed(record: str, at: Duration, everybody: Sequence[_Spenders]) -> dict[str, Any]:
    label = everybody[0].entry.label
    samples = [
        ({names.GATEWAY: spenders.gateway.id, **({label: value} if value else {})}, amount)
        for spenders in everybody
        for value, amount in spenders.shown.items()
    ]
    return expect(sum_by([names.GATEWAY, label], sum_of_steps(series(record), at)), at, samples)

"""Tests of the gateway's own dollars: what long contexts cost more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tollbook.gen import names, oracle, traffic
from tollbook.gen.gateways import reports_usd
from tollbook.gen.oracle import Request
from tollbook.gen.promql import eq, number, series, sum_by, sum_of_steps
from tollbook.gen.promtest import Case, absent, billionths, expect, in_billionths, values
from tollbook.gen.spec import Gateway, Model, Spec
from tollbook.gen.traffic import BORN, TOKENS

_CELL = (names.PROVIDER, names.MODEL)


def cases(spec: Spec) -> Iterator[Case]:
    tiered = [model for model in spec.models if model.prices[0].tiers]
    for gateway in _one_that_reports_and_one_that_does_not(spec) if tiered else ():
        yield _long_contexts(spec, gateway, tiered)
        yield _contexts_of_the_threshold(spec, gateway, tiered)
        yield _dearer_than_they_can_be(spec, gateway, tiered)


def _one_that_reports_and_one_that_does_not(spec: Spec) -> list[Gateway]:
    return list({reports_usd(gateway): gateway for gateway in reversed(spec.gateways)}.values())[::-1]


@dataclass(frozen=True)
class _Mix:
    """Requests of one model in one step, of which the gateway knows each and the token counters only the sums."""

    requests: tuple[Request, ...]
    catalog_factor: int = 1
    """By how much the prices of the gateway's catalog are too high."""

    def counters(self, spec: Spec) -> Iterator[dict[str, str]]:
        first = self.requests[0]
        together = Request(
            first.gateway,
            first.provider,
            first.request_model,
            first.response_model,
            input=sum(one.input for one in self.requests),
            output=sum(one.output for one in self.requests),
            labels=first.labels,
        )
        yield from traffic.counters(spec, [together])
        if reports_usd(first.gateway):
            seen = values(absent(BORN), constant_usd(self.reported(spec), traffic.counted(spec) + 1 - BORN))
            yield traffic.usd_counter(spec, first, seen)

    def reported(self, spec: Spec) -> Decimal:
        usd = sum((oracle.reported(spec, one) or Decimal() for one in self.requests), Decimal())
        return usd * self.catalog_factor

    def surcharge(self, spec: Spec) -> Decimal:
        """None beyond the bounds, whatever the gateway counts."""
        low, high = oracle.bounds(spec, self.requests)
        return max(min(self.reported(spec), high) - low, Decimal())


def constant_usd(usd: Decimal, steps: int) -> str:
    return f"{number(usd)}+0x{steps - 1}"


def _long_contexts(spec: Spec, gateway: Gateway, tiered: Sequence[Model]) -> Case:
    """A short request and one in each tier."""
    mixes = {model: _Mix(tuple(_in_each_tier(spec, gateway, model))) for model in tiered}
    return _case(spec, gateway, mixes, f"long contexts ({gateway.id})")


def _in_each_tier(spec: Spec, gateway: Gateway, model: Model) -> Iterator[Request]:
    for prompt in (TOKENS, *(tier.context_over + TOKENS for tier in model.prices[0].tiers)):
        yield traffic.request_of(spec, gateway, model, model.name, input=prompt, output=2 * TOKENS)


def _contexts_of_the_threshold(spec: Spec, gateway: Gateway, tiered: Sequence[Model]) -> Case:
    """Not longer than the first threshold: nothing is uncertain."""
    mixes = {}
    for model in tiered:
        prompt = model.prices[0].tiers[0].context_over
        request = traffic.request_of(spec, gateway, model, model.name, input=prompt, output=2 * TOKENS)
        mixes[model] = _Mix((request,))
    return _case(spec, gateway, mixes, f"contexts that are just not long ({gateway.id})")


def _dearer_than_they_can_be(spec: Spec, gateway: Gateway, tiered: Sequence[Model]) -> Case:
    """Just longer than the first threshold; where the gateway counts dollars, by prices far too high."""
    mixes = {}
    for model in tiered:
        prompt = model.prices[0].tiers[0].context_over + TOKENS
        request = traffic.request_of(spec, gateway, model, model.name, input=prompt, output=2 * TOKENS)
        mixes[model] = _Mix((request,), catalog_factor=1000)
    return _case(spec, gateway, mixes, f"contexts that are just long, and dearer than they can be ({gateway.id})")


def _case(spec: Spec, gateway: Gateway, mixes: dict[Model, _Mix], title: str) -> Case:
    step, own = spec.prometheus.step, eq(names.GATEWAY, gateway.id)
    at = traffic.instant(spec, traffic.counted(spec))
    figures: dict[str, dict[Model, Decimal]] = {names.cost_low(step): {}, names.cost_high(step): {}}
    surcharge = {}
    for model, mix in mixes.items():
        low, high = oracle.bounds(spec, mix.requests)
        figures[names.cost_low(step)][model], figures[names.cost_high(step)][model] = low, high
        if reports_usd(gateway) and mix.surcharge(spec):
            surcharge[model] = mix.surcharge(spec)
    recorded = {record: series(record, own) for record in figures}
    long = series(names.cost(step), own, eq(names.TOKEN_TYPE, names.LONG_CONTEXT))
    samples = [
        expect(billionths(sum_by(_CELL, sum_of_steps(record, at))), at, _by_model(usd))
        for record, usd in ((*((recorded[name], usd) for name, usd in figures.items()), (long, surcharge)))
    ]
    series_in = [traffic.up(spec, gateway), *(line for mix in mixes.values() for line in mix.counters(spec))]
    return Case(title, step, tuple(series_in), tuple(samples))


def _by_model(usd: dict[Model, Decimal]) -> list[tuple[dict[str, str], int]]:
    return [
        ({names.PROVIDER: model.provider, names.MODEL: model.name}, in_billionths(amount))
        for model, amount in usd.items()
    ]

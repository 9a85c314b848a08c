"""Tests of the bounds on what long contexts cost: from records of now, and from prices of before where there are none.

All is put in as the rules would have recorded it, under a provider of the tests' own, and evaluated once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import reports_usd
from tollbook.gen.oracle import MILLION
from tollbook.gen.promql import eq, one_of, series, sum_by
from tollbook.gen.promtest import Case, billionths, expect, in_billionths, input_series
from tollbook.gen.spec import Spec

_OWN, _ANOTHER, _UNTIERED = "tollbook-test", "tollbook-test-another", "tollbook-test-untiered"
#: A model with a threshold, whose highest prices nobody knows any longer.
_HIGH_FORGOTTEN = "high-forgotten"
#: Those whose thresholds and prices were last recorded nearly a gap ago, while others of the provider are recorded now.
_OLDER = ("older", "older-and-long")
_PROVIDERS = (_OWN, _ANOTHER, _UNTIERED)
#: A model without tiers, of a provider whose others have some.
_PLAIN = "plain"

#: Of these models a context is long over so many tokens, and costs so many dollars a million.
_FIRST_OVER, _OVER = 1_000, 50_000
_FIRST_HIGH_USD, _HIGH_USD = 700, 800


@dataclass(frozen=True)
class _Used:
    """Tokens of one model in one step, and dollars of each at base rates."""

    provider: str
    model: str
    prompt: int
    output: int
    usd: tuple[int, int]
    who: Mapping[str, str]
    prompt_ago: int = 0
    output_ago: int = 0
    ago: int = 0
    """How many steps ago: nothing of before is counted again."""
    reported: int = 0
    """Dollars that the gateway counted now, between the bounds."""

    @property
    def is_bounded(self) -> bool:
        return not self.ago and self.provider != _UNTIERED and self.model != _PLAIN

    @property
    def low(self) -> int:
        return self.usd[0] * (not self.prompt_ago) + self.usd[1] * (not self.output_ago)

    @property
    def high(self) -> Decimal:
        is_long = self.prompt > _OVER and not self.prompt_ago and self.model != _HIGH_FORGOTTEN
        tokens = self.prompt + self.output * (not self.output_ago)
        return Decimal(_HIGH_USD * tokens) / MILLION if is_long else Decimal(self.low)


@dataclass(frozen=True)
class _Bounds:
    """Dollars of one model, as they would have been recorded."""

    model: str
    reported: str
    low: str
    high: str
    billionths: int = 0
    """What is added for a long context."""
    low_ago: int = 0
    high_ago: int = 0


#: A billionth is what sums of floats differ by, and adds nothing; nor does what was recorded a step ago.
_BOUNDS = (
    _Bounds("a-billionth", "0.000000001", "0", "1"),
    _Bounds("two-billionths", "0.000000002", "0", "1", billionths=2),
    _Bounds("low-before", "10", "5", "20", low_ago=1),
    _Bounds("high-before", "10", "5", "20", high_ago=1),
)


def cases(spec: Spec, end: Duration) -> Iterator[Case]:
    if not any(model.has_tiers for model in spec.models):
        return
    step, gateway = spec.prometheus.step, {names.GATEWAY: spec.gateways[0].id}
    used = list(_used(spec))
    series_in = [*_prices(spec, end), *(line for one in used for line in _records(spec, end, gateway, one))]
    bounded = [one for one in used if one.is_bounded]
    samples = []
    for record, usd in (
        (names.cost_low(step), [Decimal(one.low) for one in bounded]),
        (names.cost_high(step), [one.high for one in bounded]),
    ):
        recorded = series(record, one_of(names.PROVIDER, _PROVIDERS)).now()
        labels = ({**gateway, **_sold_as(one), **one.who} for one in bounded)
        samples.append(expect(billionths(recorded), end, list(zip(labels, map(in_billionths, usd), strict=True))))
    if reports_usd(spec.gateways[0]):
        series_in += _bounds(spec, end, gateway)
        samples.append(_surcharge(spec, end, [one for one in bounded if one.reported]))
    yield Case("bounds on what long contexts cost", step, tuple(series_in), tuple(samples))


def _surcharge(spec: Spec, end: Duration, reported: Sequence[_Used]) -> dict[str, Any]:
    added = {one.model: in_billionths(Decimal(one.reported - one.low)) for one in reported}
    added |= {one.model: one.billionths for one in _BOUNDS}
    cost = series(names.cost(spec.prometheus.step), one_of(names.MODEL, added))
    own = [({names.MODEL: model}, usd) for model, usd in added.items() if usd]
    long = cost.where(eq(names.TOKEN_TYPE, names.LONG_CONTEXT))
    return expect(billionths(sum_by([names.MODEL], long.now())), end, own)


def _bounds(spec: Spec, end: Duration, gateway: Mapping[str, str]) -> Iterator[dict[str, str]]:
    step, own = spec.prometheus.step, {**gateway, names.PROVIDER: f"{_OWN}-bounds", **traffic.spend_labels(spec)}
    for one in _BOUNDS:
        for record, usd, ago in (
            (names.reported_usd(step), one.reported, 0),
            (names.cost_low(step), one.low, one.low_ago),
            (names.cost_high(step), one.high, one.high_ago),
        ):
            labels = {**own, names.MODEL: one.model}
            yield input_series(record, labels, traffic.ending(spec, _ago(spec, end, ago), usd))


def _used(spec: Spec) -> Iterator[_Used]:
    first = traffic.spend_labels(spec)
    yield _Used(_OWN, "long", 60_000, 7_000, (1, 2), first)
    for label, value in first.items():
        yield _Used(_OWN, "long", 40_000, 7_000, (3, 4), {**first, label: f"other-{value}"})
    yield _Used(_OWN, "not-long", _OVER, 7_000, (5, 6), first)
    yield _Used(_OWN, "long-before", 60_000, 7_000, (1, 2), first, prompt_ago=1)
    yield _Used(_OWN, "reported", 60_000, 7_000, (1, 2), first, reported=10)
    yield _Used(_OWN, "output-before", 60_000, 7_000, (1, 2), first, output_ago=1)
    yield _Used(_OWN, "before", 60_000, 7_000, (1, 2), first, ago=1)
    yield _Used(_OWN, _HIGH_FORGOTTEN, 60_000, 7_000, (1, 2), first)
    yield _Used(_OWN, "twin", 60_000, 8_000, (1, 2), first)
    yield _Used(_ANOTHER, "twin", 60_000, 9_000, (1, 2), first)
    for model in ("long", "not-long"):
        yield _Used(_ANOTHER, model, 100, 7_000, (5, 6), first)
    for number, model in enumerate(_OLDER):
        yield _Used(_OWN, model, 40_000 + 20_000 * number, 7_000, (1, 2), first)
    yield _Used(_OWN, _PLAIN, 60_000, 7_000, (1, 2), first)
    yield _Used(_UNTIERED, "twin", 60_000, 9_000, (1, 2), first)
    yield _Used(_UNTIERED, "forgotten", 60_000, 9_000, (1, 2), first)


def _sold_as(used: _Used) -> dict[str, str]:
    return {names.PROVIDER: used.provider, names.MODEL: used.model}


def _records(spec: Spec, end: Duration, gateway: Mapping[str, str], used: _Used) -> Iterator[dict[str, str]]:
    """What was added for a long context is no base rate, and what the gateway counted a step ago, between the bounds of
    now, adds nothing."""
    step, own = spec.prometheus.step, {**gateway, **_sold_as(used), **used.who}
    # A third of the prompts is of each type, and all together are long.
    third, prompt_ago = used.prompt // 3, used.ago or used.prompt_ago
    entries = (
        (names.INPUT, used.prompt - 2 * third, used.usd[0], prompt_ago),
        (names.CACHE_READ, third, 0, prompt_ago),
        (names.CACHE_WRITE, third, 0, prompt_ago),
        (names.OUTPUT, used.output, used.usd[1], used.ago or used.output_ago),
    )
    for token_type, tokens, usd, ago in entries:
        labels = {**own, names.TOKEN_TYPE: token_type}
        yield input_series(names.tokens(step), labels, traffic.ending(spec, _ago(spec, end, ago), f"{tokens}"))
        yield input_series(names.cost(step), labels, traffic.ending(spec, _ago(spec, end, ago), f"{usd}"))
    if used.reported:
        yield input_series(names.reported_usd(step), own, traffic.ending(spec, end, f"{used.reported}"))
        return
    added = traffic.ending(spec, _ago(spec, end, used.ago), "100")
    yield input_series(names.cost(step), {**own, names.TOKEN_TYPE: names.LONG_CONTEXT}, added)
    yield input_series(names.reported_usd(step), own, traffic.ending(spec, _ago(spec, end, 1), "10"))


def _prices(spec: Spec, end: Duration) -> Iterator[dict[str, str]]:
    """Some recorded now, some for the last time nearly a gap ago, and one before that; the highest of input always now,
    so that one type's price is not taken for another's."""
    in_gap = spec.prometheus.gap.milliseconds // spec.prometheus.step.milliseconds
    last_seen = {_OWN: 0, _ANOTHER: in_gap - 2, _UNTIERED: in_gap + 2}
    models = {(one.provider, one.model): last_seen[one.provider] for one in _used(spec)}
    models |= {(_OWN, model): in_gap - 2 for model in _OLDER}
    del models[_UNTIERED, "twin"], models[_OWN, _PLAIN]
    for (provider, model), ago in models.items():
        sold_as = {names.PROVIDER: provider, names.MODEL: model}
        yield input_series(
            names.LONG_CONTEXT_OVER, sold_as, traffic.ending(spec, _ago(spec, end, ago), f"{_FIRST_OVER}", f"{_OVER}")
        )
        for token_type in names.TOKEN_TYPES:
            high_ago = in_gap + 2 if model == _HIGH_FORGOTTEN else 0 if token_type == names.INPUT else ago
            high = traffic.ending(spec, _ago(spec, end, high_ago), f"{_FIRST_HIGH_USD}", f"{_HIGH_USD}")
            yield input_series(names.PRICE_HIGH, {**sold_as, names.TOKEN_TYPE: token_type}, high)


def _ago(spec: Spec, end: Duration, steps: int) -> Duration:
    return end - traffic.instant(spec, steps)

"""Tests of the days on which a price changes: with the last evaluation of the old price, and a second later.

promtool's clock starts in 1970 and knows one evaluation interval a file. With the instant itself as the interval all
rules are evaluated twice, when the clock starts and then, and so a day decades later costs no more than any other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from tollbook.gen import names, oracle, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.promql import Expr, aggregate, binary, call, eq, scalar, series, sum_by
from tollbook.gen.promtest import Case, CaseFile, expect
from tollbook.gen.spec import Model, Spec
from tollbook.gen.timezones import zone

SECOND = Duration(1000)

#: Prices have at most six decimals: sums of them are compared in whole millionths of a dollar.
_PER_DOLLAR = 1_000_000


def files(spec: Spec) -> Iterator[CaseFile]:
    for midnight in _midnights(spec):
        before, after = (oracle.day_until(second, spec.prometheus.timezone) for second in (midnight, midnight + 1))
        changed = [model for model in spec.models if _figures(model, before) != _figures(model, after)]
        if changed:
            seen = Duration(midnight * 1000) + spec.prometheus.settle
            yield _file(spec, changed, f"{after}-before", f"The last prices before {after}", seen, before)
            yield _file(spec, changed, f"{after}-after", f"The first prices of {after}", seen + SECOND, after)


def _figures(model: Model, day: date) -> tuple[object, ...]:
    """All that is recorded of a model's prices."""
    base, dearest = oracle.usd_per_mtok_at(model, day), oracle.dearest_usd_per_mtok_at(model, day)
    return base, dearest, oracle.long_context_at(model, day)


def _midnights(spec: Spec) -> list[int]:
    """Every instant at which the spec may change a price, in unix seconds: all in promtool's time, as no price is older
    than the year 2000."""
    days = {price.since for model in spec.models for price in model.prices[1:] if price.since}
    return sorted({int(datetime.combine(day, time(), zone(spec.prometheus.timezone)).timestamp()) for day in days})


def _file(spec: Spec, changed: Sequence[Model], moment: str, what: str, at: Duration, day: date) -> CaseFile:
    samples = [_prices(spec, model, at, day) for model in changed]
    samples += [sample for model in changed if model.has_tiers for sample in _tiers(spec, model, at, day)]
    samples += _all_prices(spec, at, day)
    case = Case(f"prices of {day}", spec.prometheus.step, samples=tuple(samples))
    return CaseFile(names.rules_test_file(moment), what, at, (case,))


def _prices(spec: Spec, model: Model, at: Duration, day: date) -> dict[str, Any]:
    """Each token type of a model that changes."""
    own, stated = traffic.card(spec, model), traffic.stated_format(model)
    expected = [
        ({"__name__": names.PRICE, **own, **stated, names.TOKEN_TYPE: token_type}, usd)
        for token_type, usd in oracle.usd_per_mtok_at(model, day).items()
    ]
    return expect(_of(names.PRICE, own), at, expected)


def _tiers(spec: Spec, model: Model, at: Duration, day: date) -> Iterator[dict[str, Any]]:
    """What long contexts cost at most, and from which context on."""
    own = traffic.card(spec, model)
    dearest = oracle.dearest_usd_per_mtok_at(model, day).items()
    expected = [({"__name__": names.PRICE_HIGH, **own, names.TOKEN_TYPE: kind}, usd) for kind, usd in dearest]
    yield expect(_of(names.PRICE_HIGH, own), at, expected)
    over = oracle.long_context_at(model, day)
    thresholds = [] if over is None else [({"__name__": names.LONG_CONTEXT_OVER, **own}, over)]
    yield expect(_of(names.LONG_CONTEXT_OVER, own), at, thresholds)


def _of(metric: str, labels: Mapping[str, str]) -> Expr:
    return series(metric, *(eq(*pair) for pair in labels.items())).now()


def _all_prices(spec: Spec, at: Duration, day: date) -> Iterator[dict[str, Any]]:
    """The others keep theirs: of each provider how many prices there are, and their sum."""
    by = (names.PROVIDER, names.TOKEN_TYPE)
    count: dict[tuple[str, ...], int] = defaultdict(int)
    usd: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for model in spec.models:
        for token_type, price in oracle.usd_per_mtok_at(model, day).items():
            count[model.provider, token_type] += 1
            usd[model.provider, token_type] += price
    price_series = series(names.PRICE).now()
    millionths = call("round", binary(sum_by(by, price_series), "*", scalar(_PER_DOLLAR)))
    yield expect(aggregate("count", price_series, by), at, _samples(by, count))
    yield expect(millionths, at, _samples(by, {key: total * _PER_DOLLAR for key, total in usd.items()}))


def _samples(
    by: Sequence[str], figures: Mapping[tuple[str, ...], Decimal | int]
) -> list[tuple[dict[str, str], Decimal | int]]:
    return [(dict(zip(by, key, strict=True)), figure) for key, figure in figures.items()]

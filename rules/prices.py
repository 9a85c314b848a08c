"""Prices as recorded series: one rule for each name a model may bear in the metrics and each token type."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.model import Recording, RuleGroup
from tollbook.gen.promql import (
    Expr,
    binary,
    both,
    clock,
    either,
    number,
    over_time,
    scalar,
    series,
    unless,
    vector,
)
from tollbook.gen.spec import Model, Price, Rates, Spec
from tollbook.gen.timezones import zone

#: Since when (None: always) a price holds, and the price in USD per 1M tokens.
Change = tuple[date | None, Decimal]


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    """A group for each model, so that no price moves to another group when a model is added; a provider's together."""
    providers = list(dict.fromkeys(model.provider for model in spec.models))
    return tuple(
        RuleGroup(
            f"{names.GROUP_PREFIX}.prices.{model.provider}.{model.name}",
            spec.prometheus.step,
            tuple(_model_prices(spec, model)),
            home=f"prices-{model.provider}",
        )
        for model in sorted(spec.models, key=lambda model: providers.index(model.provider))
    )


def _model_prices(spec: Spec, model: Model) -> Iterator[Recording]:
    for metric_name in model.metric_names:
        for token_type in names.TOKEN_TYPES:
            labels = {
                names.PROVIDER: model.provider,
                names.MODEL: model.name,
                names.RESPONSE_MODEL: metric_name,
                names.TOKEN_TYPE: token_type,
            }
            changes = _changes(model.prices, token_type)
            yield Recording(names.PRICE, _price_over_time(spec, changes), labels, _history(changes))


def known(spec: Spec) -> Expr:
    """Every price, and within the gap the last one of each name that has none: back from an outage, Prometheus may run
    the gateways' groups before these, and what was used meanwhile is billed at once."""
    price = series(names.PRICE)
    last = over_time("last", price, spec.prometheus.gap)
    name = (names.PROVIDER, names.RESPONSE_MODEL, names.TOKEN_TYPE)
    return either(price.now(), unless(last, price.now(), on=name))


def usd_per_mtok(rates: Rates, token_type: str) -> Decimal:
    return {
        names.INPUT: rates.input,
        names.OUTPUT: rates.output,
        names.CACHE_READ: rates.cache_read,
        names.CACHE_WRITE: rates.cache_write,
    }[token_type]


def start_of_day(day: date, timezone: str) -> int:
    """Unix seconds of local midnight."""
    return int(datetime.combine(day, time(), zone(timezone)).timestamp())


def _changes(prices: tuple[Price, ...], token_type: str) -> list[Change]:
    """The first price holds from the beginning of time, each later one from its date; equal neighbours are one."""
    changes: list[Change] = [(None, usd_per_mtok(prices[0].rates, token_type))]
    for price in prices[1:]:
        usd = usd_per_mtok(price.rates, token_type)
        if usd != changes[-1][1]:
            changes.append((price.since, usd))
    return changes


def _history(changes: list[Change]) -> str:
    """Dates for the reader, because the expression has seconds; nothing where the price never changed."""
    later = "".join(f", {number(usd)} from {since}" for since, usd in changes[1:])
    return f"{number(changes[0][1])} at first{later}" if later else ""


def _price_over_time(spec: Spec, changes: list[Change]) -> Expr:
    starts = [start_of_day(since, spec.prometheus.timezone) if since else None for since, _ in changes]
    ends = [*starts[1:], None]
    periods = zip(changes, starts, ends, strict=True)
    return either(*(_valid_between(spec, vector(usd), start, end) for (_, usd), start, end in periods))


def _valid_between(spec: Spec, price: Expr, since: int | None, end: int | None) -> Expr:
    """Tokens are seen `settle` after they were used, so the price changes that much after midnight."""
    seen = clock(spec.prometheus.settle)
    if since is not None:
        price = both(price, binary(seen, ">", scalar(since)))
    if end is not None:
        price = both(price, binary(seen, "<=", scalar(end)))
    return price

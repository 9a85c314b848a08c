"""Prices as recorded series: one rule for each name a model may bear in the metrics and each token type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial

from tollbook.gen import names
from tollbook.gen.model import Recording, RuleGroup
from tollbook.gen.promql import (
    Expr,
    Matcher,
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

#: USD per 1M tokens, or tokens; None: there is no such figure.
Figure = Decimal | None
#: Since when (None: always) a figure holds, and the figure.
Change = tuple[date | None, Figure]
Labels = Mapping[str, str]


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
    sold_as = {names.PROVIDER: model.provider, names.MODEL: model.name}
    for metric_name in model.metric_names:
        for token_type in names.TOKEN_TYPES:
            labels = {**sold_as, names.RESPONSE_MODEL: metric_name, names.TOKEN_TYPE: token_type}
            yield _dated(spec, model, names.PRICE, labels, partial(_base_price, token_type))
    if model.has_tiers:
        for token_type in names.TOKEN_TYPES:
            labels = {**sold_as, names.TOKEN_TYPE: token_type}
            yield _dated(spec, model, names.PRICE_HIGH, labels, partial(_highest_price, token_type))
        yield _dated(spec, model, names.LONG_CONTEXT_OVER, sold_as, _long_context)


def _dated(spec: Spec, model: Model, record: str, labels: Labels, of: Callable[[Price], Figure]) -> Recording:
    changes = _changes(model.prices, of)
    return Recording(record, _over_time(spec, changes), labels, _history(changes))


def _base_price(token_type: str, price: Price) -> Figure:
    return usd_per_mtok(price.rates, token_type)


def _highest_price(token_type: str, price: Price) -> Figure:
    return max(usd_per_mtok(rates, token_type) for rates in (price.rates, *(tier.rates for tier in price.tiers)))


def _long_context(price: Price) -> Figure:
    """The shortest context that is priced otherwise, if any is."""
    return min((Decimal(tier.context_over) for tier in price.tiers), default=None)


def known(spec: Spec, metric: str, key: tuple[str, ...], *matchers: Matcher) -> Expr:
    """What these groups record of each key, and within the gap the last one of each that has none: back from an outage,
    Prometheus may run the gateways' groups before these, and what was used meanwhile is billed at once."""
    recorded = series(metric, *matchers)
    last = over_time("last", recorded, spec.prometheus.gap)
    return either(recorded.now(), unless(last, recorded.now(), on=key))


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


def _changes(prices: tuple[Price, ...], of: Callable[[Price], Figure]) -> list[Change]:
    """The first price holds from the beginning of time, each later one from its date; equal neighbours are one."""
    changes: list[Change] = [(None, of(prices[0]))]
    for price in prices[1:]:
        figure = of(price)
        if figure != changes[-1][1]:
            changes.append((price.since, figure))
    return changes


def _history(changes: list[Change]) -> str:
    """Dates for the reader, because the expression has seconds; nothing where the figure never changed."""
    texts = ["none" if figure is None else number(figure) for _, figure in changes]
    later = "".join(f", {text} from {since}" for text, (since, _) in zip(texts[1:], changes[1:], strict=True))
    return f"{texts[0]} at first{later}" if later else ""


def _over_time(spec: Spec, changes: list[Change]) -> Expr:
    starts = [start_of_day(since, spec.prometheus.timezone) if since else None for since, _ in changes]
    ends = [*starts[1:], None]
    periods = zip(changes, starts, ends, strict=True)
    known_figures = ((figure, start, end) for (_, figure), start, end in periods if figure is not None)
    return either(*(_valid_between(spec, vector(figure), start, end) for figure, start, end in known_figures))


def _valid_between(spec: Spec, price: Expr, since: int | None, end: int | None) -> Expr:
    """Tokens are seen `settle` after they were used, so the price changes that much after midnight."""
    seen = clock(spec.prometheus.settle)
    if since is not None:
        price = both(price, binary(seen, ">", scalar(since)))
    if end is not None:
        price = both(price, binary(seen, "<=", scalar(end)))
    return price

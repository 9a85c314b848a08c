"""Price cards: one rule holds the whole price of a model, and its aliases are facts of their own.

Cards are evaluated in groups of their own, because a group holds at most 20 rules and a spec may list hundreds of
models. A card may so be read up to one step late: when a price changes, at midnight, a model's usage of one minute at
most is priced as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial

from tollbook.gen import names
from tollbook.gen.model import Recording, RuleGroup
from tollbook.gen.promql import (
    Expr,
    aggregate,
    binary,
    both,
    clock,
    either,
    labelled,
    number,
    scalar,
    vector,
)
from tollbook.gen.spec import Model, Price, Rates, Spec
from tollbook.gen.timezones import zone
from tollbook.rules.facts import group, packed
from tollbook.rules.selectors import carried, facts

#: USD per 1M tokens, or tokens; None: there is no such figure.
Figure = Decimal | None
#: Since when (None: always) a figure holds, and the figure.
Change = tuple[date | None, Figure]
Labels = Mapping[str, str]

#: What a price is told apart by.
PRICED = (names.PROVIDER, names.MODEL, names.TOKEN_TYPE)


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    """A group for each provider."""
    providers = dict.fromkeys(model.provider for model in spec.models)
    return tuple(group(spec, f"prices.{provider}", "prices", _of_provider(spec, provider)) for provider in providers)


def rules(spec: Spec) -> tuple[Recording, ...]:
    """In the ledger: no fact may stop a rule that reads it, so each price is made one series."""
    price = aggregate("max", facts(spec, names.PRICE).now(), PRICED)
    note = "The prices of this minute, one each."
    return (Recording(names.PRICE_NOW, carried(spec, names.PRICE_NOW, price), note=note),)


def _of_provider(spec: Spec, provider: str) -> Iterator[Recording]:
    models = [model for model in spec.models if model.provider == provider]
    for model in models:
        yield from _cards(spec, model)
    rows = (
        ({names.PROVIDER: provider, **_format(model)}, {names.MODEL: model.name, names.RESPONSE_MODEL: alias})
        for model in models
        for alias in model.aliases
    )
    yield from packed(spec, names.MODEL_ALIAS, rows, "Other names of models in the metrics.")


def _cards(spec: Spec, model: Model) -> Iterator[Recording]:
    labels = {names.SPEC: spec.id, names.PROVIDER: model.provider, names.MODEL: model.name}
    yield _card(spec, model, names.PRICE, {**labels, **_format(model)}, _base_price)
    if model.has_tiers:
        yield _card(spec, model, names.PRICE_HIGH, labels, _highest_price)
        changes = _changes(model.prices, _long_context)
        yield Recording(names.LONG_CONTEXT_OVER, _over_time(spec, changes), labels, _history(changes))


def _format(model: Model) -> Labels:
    return {names.STATED_FORMAT: model.format} if model.format else {}


def _card(spec: Spec, model: Model, record: str, labels: Labels, rate: Callable[[str, Price], Figure]) -> Recording:
    by_type = {each: _changes(model.prices, partial(rate, each)) for each in names.TOKEN_TYPES}
    terms = [labelled(_over_time(spec, changes), names.TOKEN_TYPE, each) for each, changes in by_type.items()]
    dated = [f"{each}: {history}" for each, changes in by_type.items() if (history := _history(changes))]
    return Recording(record, either(*terms), labels, "; ".join(dated))


def _base_price(token_type: str, price: Price) -> Figure:
    return usd_per_mtok(price.rates, token_type)


def _highest_price(token_type: str, price: Price) -> Figure:
    return max(usd_per_mtok(rates, token_type) for rates in (price.rates, *(tier.rates for tier in price.tiers)))


def _long_context(price: Price) -> Figure:
    """The shortest context that is priced otherwise, if any is."""
    return min((Decimal(tier.context_over) for tier in price.tiers), default=None)


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

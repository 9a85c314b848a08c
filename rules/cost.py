"""Dollars: tokens of each step times the price of that step, recorded once and never priced again."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.model import Recording
from tollbook.gen.promql import Expr, binary, either, eq, none_of, scalar, series
from tollbook.gen.spec import Spec
from tollbook.rules.prices import PRICED
from tollbook.rules.selectors import Stage, recorded

TOKENS_PER_PRICE = 1_000_000


def rules(spec: Spec) -> tuple[Recording, ...]:
    price = recorded(spec, series(names.PRICE_NOW), of=Stage.SEEN, at=Stage.COST)
    dollars = priced(tokens(spec), price)
    return (
        Recording(names.cost(spec.prometheus.step), dollars, note="At the price of this minute, once and for all."),
    )


def tokens(spec: Spec) -> Expr:
    """Of this step, for a rule of dollars."""
    return recorded(spec, series(names.tokens(spec.prometheus.step)), of=Stage.TOKENS, at=Stage.COST)


def priced(used: Expr, price: Expr) -> Expr:
    return binary(used, "*", binary(price, "/", scalar(TOKENS_PER_PRICE)), on=PRICED, group_left=())


def recorded_cost(spec: Spec) -> Expr:
    """Dollars of one step, for a rule after all of them: those of long contexts are recorded a stage later."""
    cost = series(names.cost(spec.prometheus.step))
    has_surcharge = any(model.has_tiers for model in spec.models)
    if not spec.prometheus.lag.milliseconds or not has_surcharge:
        return recorded(spec, cost, of=Stage.COST, at=Stage.TOTALS)
    by_type = cost.where(none_of(names.TOKEN_TYPE, [names.LONG_CONTEXT]))
    long_context = cost.where(eq(names.TOKEN_TYPE, names.LONG_CONTEXT))
    return either(
        recorded(spec, by_type, of=Stage.COST, at=Stage.TOTALS),
        recorded(spec, long_context, of=Stage.SURCHARGE, at=Stage.TOTALS),
    )

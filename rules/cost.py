"""Dollars: tokens of each step times the price of that step, recorded once and never priced again."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.model import Recording
from tollbook.gen.promql import Expr, aggregate, binary, scalar, series
from tollbook.gen.spec import Spec
from tollbook.rules import prices

TOKENS_PER_PRICE = 1_000_000

#: What a price is told apart by; the names of one model share one.
PRICED = (names.PROVIDER, names.MODEL, names.TOKEN_TYPE)


def rules(spec: Spec) -> tuple[Recording, ...]:
    step = spec.prometheus.step
    tokens = series(names.tokens(step))
    price = prices.known(spec, names.PRICE, (names.PROVIDER, names.RESPONSE_MODEL, names.TOKEN_TYPE))
    return (
        Recording(
            names.cost(step),
            dollars(tokens.just_recorded(), price),
            {},
            "At the price of this minute, once and for all.",
        ),
    )


def dollars(tokens: Expr, price: Expr) -> Expr:
    # All names of one model share one price: the maximum only folds them together.
    per_token = binary(aggregate("max", price, PRICED), "/", scalar(TOKENS_PER_PRICE))
    return binary(tokens, "*", per_token, on=PRICED, group_left=())

"""Long contexts, which cost more: bounds from summed tokens, and the exact surcharge where the gateway counts dollars.

A tier prices a whole request anew when its context is longer than a threshold. Sums of tokens do not tell how long each
request was, but they do tell that none was longer than all of them together: in most steps the bounds are one figure.
"""

from __future__ import annotations

from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.model import Recording
from tollbook.gen.promql import (
    Expr,
    aggregate,
    binary,
    both,
    either,
    one_of,
    scalar,
    series,
    smaller,
    sum_by,
)
from tollbook.gen.spec import Spec
from tollbook.rules import cost
from tollbook.rules.prices import PRICED
from tollbook.rules.selectors import Stage, fact, recorded

#: Dollars below this are what sums of floats differ by.
NOISE_USD = Decimal("0.000000001")

_SOLD_AS = (names.PROVIDER, names.MODEL)


def rules(spec: Spec) -> tuple[Recording, ...]:
    """Nothing where no model has tiers."""
    if not any(model.has_tiers for model in spec.models):
        return ()
    step = spec.prometheus.step
    return (
        Recording(names.cost_low(step), _low(spec), note="Of models with tiers: as if no context had been long."),
        Recording(names.cost_high(step), _high(spec), note="As if every context had been long that may have been."),
        Recording(
            names.cost(step),
            _surcharge(spec),
            {names.TOKEN_TYPE: names.LONG_CONTEXT},
            "What long contexts cost more: by the gateway's own dollars, as far as the bounds allow.",
        ),
    )


def _cell(spec: Spec) -> tuple[str, ...]:
    return (names.GATEWAY, *_SOLD_AS, *spec.spend_labels)


def _threshold(spec: Spec) -> Expr:
    """One series for each model that has tiers now: the context from which on they count."""
    return aggregate("max", fact(spec, names.LONG_CONTEXT_OVER), _SOLD_AS)


def _base(spec: Spec) -> Expr:
    """Dollars at base rates, of models that have tiers now."""
    price = recorded(spec, series(names.PRICE_NOW), of=Stage.SEEN, at=Stage.COST)
    return both(cost.priced(cost.tokens(spec), price), _threshold(spec), on=_SOLD_AS)


def _low(spec: Spec) -> Expr:
    return sum_by(_cell(spec), _base(spec))


def _high(spec: Spec) -> Expr:
    """The dearest tier for all tokens of a model whose prompts together were longer than its threshold."""
    tokens = series(names.tokens(spec.prometheus.step), one_of(names.TOKEN_TYPE, names.PROMPT_TYPES))
    prompts = sum_by(_cell(spec), recorded(spec, tokens, of=Stage.TOKENS, at=Stage.COST))
    maybe_long = binary(prompts, ">", _threshold(spec), on=_SOLD_AS, group_left=())
    price = aggregate("max", fact(spec, names.PRICE_HIGH), PRICED)
    dearest = both(cost.priced(cost.tokens(spec), price), maybe_long, on=_cell(spec))
    return sum_by(_cell(spec), either(dearest, _base(spec)))


def _surcharge(spec: Spec) -> Expr:
    step = spec.prometheus.step
    low, high = (
        recorded(spec, series(record), of=Stage.COST, at=Stage.SURCHARGE)
        for record in (names.cost_low(step), names.cost_high(step))
    )
    reported = recorded(spec, series(names.reported_usd(step)), of=Stage.METERED, at=Stage.SURCHARGE)
    return binary(binary(smaller(reported, high), "-", low), ">", scalar(NOISE_USD))

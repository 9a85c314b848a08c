"""Long contexts, which cost more: bounds from summed tokens, and the exact surcharge where the gateway counts dollars.

A tier prices a whole request anew when its context is longer than a threshold. Sums of tokens do not tell how long each
request was, but they do tell that none was longer than all of them together: in most steps the bounds are one figure.
"""

from __future__ import annotations

from decimal import Decimal

from tollbook.gen import names
from tollbook.gen.gateways import reports_usd
from tollbook.gen.model import Recording
from tollbook.gen.promql import (
    Expr,
    Selector,
    binary,
    both,
    either,
    none_of,
    one_of,
    scalar,
    series,
    smaller,
    sum_by,
)
from tollbook.gen.spec import Spec
from tollbook.rules import cost, prices

#: Dollars below this are what sums of floats differ by.
NOISE_USD = Decimal("0.000000001")

_SOLD_AS = (names.PROVIDER, names.MODEL)


def rules(spec: Spec) -> tuple[Recording, ...]:
    """Nothing where no model has tiers."""
    if not any(model.has_tiers for model in spec.models):
        return ()
    step, labels = spec.prometheus.step, {}
    low, high = series(names.cost_low(step)), series(names.cost_high(step))
    bounds = (
        Recording(low.metric, _low(spec), labels, "Of models with tiers: as if no context had been long."),
        Recording(high.metric, _high(spec), labels, "As if every context had been long that may have been."),
    )
    if not any(map(reports_usd, spec.gateways)):
        return bounds
    surcharge = Recording(
        names.cost(step),
        _surcharge(low, high, series(names.reported_usd(step))),
        {**labels, names.TOKEN_TYPE: names.LONG_CONTEXT},
        "What long contexts cost more: by the gateway's own dollars, as far as the bounds allow.",
    )
    return (*bounds, surcharge)


def _cell(spec: Spec) -> tuple[str, ...]:
    return (names.GATEWAY, names.PROVIDER, names.MODEL, *spec.spend_labels)


def _threshold(spec: Spec) -> Expr:
    """One series for each model that has tiers now: the context from which on they count."""
    return prices.known(spec, names.LONG_CONTEXT_OVER, _SOLD_AS)


def _base(spec: Spec) -> Expr:
    """Dollars at base rates, of models that have tiers now."""
    by_type = series(names.cost(spec.prometheus.step), none_of(names.TOKEN_TYPE, [names.LONG_CONTEXT]))
    return both(by_type.just_recorded(), _threshold(spec), on=_SOLD_AS)


def _low(spec: Spec) -> Expr:
    return sum_by(_cell(spec), _base(spec))


def _high(spec: Spec) -> Expr:
    """The dearest tier for all tokens of a model whose prompts together were longer than its threshold."""
    tokens = series(names.tokens(spec.prometheus.step))
    prompts = sum_by(_cell(spec), tokens.where(one_of(names.TOKEN_TYPE, names.PROMPT_TYPES)).just_recorded())
    maybe_long = binary(prompts, ">", _threshold(spec), on=_SOLD_AS, group_left=())
    dearest = cost.dollars(tokens.just_recorded(), prices.known(spec, names.PRICE_HIGH, cost.PRICED))
    return sum_by(_cell(spec), either(both(dearest, maybe_long, on=_cell(spec)), _base(spec)))


def _surcharge(low: Selector, high: Selector, reported: Selector) -> Expr:
    bounded = smaller(reported.just_recorded(), high.just_recorded())
    return binary(binary(bounded, "-", low.just_recorded()), ">", scalar(NOISE_USD))

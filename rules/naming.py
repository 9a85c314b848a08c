"""Which model of the spec a request was: by its response model, else by its request model, and by exact names only."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.promql import (
    Expr,
    Selector,
    aggregate,
    binary,
    copy_label,
    either,
    eq,
    none_of,
    one_of_each,
    unless,
)
from tollbook.gen.spec import Spec
from tollbook.rules import prices

Labels = tuple[str, ...]


def named(spec: Spec, record: Selector, per: Labels) -> Expr:
    """What was just recorded, with the label `model`: the model's name, or the metric's own where it has no price.
    `per` is what a price depends on besides the name."""
    used = record.just_recorded()
    by_response, by_request = (*per, names.RESPONSE_MODEL), (*per, names.REQUEST_MODEL)
    answered = binary(used, "*", _one_if_priced(spec, by_response), on=by_response, group_left=(names.MODEL,))
    unlisted = unless(used, _prices(spec, by_response), on=by_response)
    asked_for = binary(unlisted, "*", _one_if_priced(spec, by_request), on=by_request, group_left=(names.MODEL,))
    called = record.where(none_of(names.RESPONSE_MODEL, [names.UNKNOWN]))
    nameless = record.where(eq(names.RESPONSE_MODEL, names.UNKNOWN))
    return either(
        answered,
        asked_for,
        copy_label(unpriced(spec, called, per), names.MODEL, names.RESPONSE_MODEL),
        copy_label(unpriced(spec, nameless, per), names.MODEL, names.REQUEST_MODEL),
    )


def unpriced(spec: Spec, record: Selector, per: Labels) -> Expr:
    """What was just recorded and has no price under either name."""
    by_response, by_request = (*per, names.RESPONSE_MODEL), (*per, names.REQUEST_MODEL)
    unlisted = unless(record.just_recorded(), _prices(spec, by_response), on=by_response)
    return unless(unlisted, _prices(spec, by_request), on=by_request)


def _prices(spec: Spec, by: Labels) -> Expr:
    """The price series, whose names are response models, under the label that is to be looked up."""
    price = prices.known(spec, names.PRICE, (names.PROVIDER, names.RESPONSE_MODEL, names.TOKEN_TYPE))
    return copy_label(price, names.REQUEST_MODEL, names.RESPONSE_MODEL) if names.REQUEST_MODEL in by else price


def _one_if_priced(spec: Spec, by: Labels) -> Expr:
    """One model a name: while a model is renamed both have prices, and two would fail the whole rule."""
    return one_of_each(by, aggregate("group", _prices(spec, by), (*by, names.MODEL)))

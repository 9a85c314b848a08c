"""Which model of the spec a request was: by its response model, else by its request model, and by exact names only."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.model import Recording
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
    series,
    unless,
)
from tollbook.gen.spec import Spec
from tollbook.rules import prices

_BY_RESPONSE = (names.PROVIDER, names.RESPONSE_MODEL)
_BY_REQUEST = (names.PROVIDER, names.REQUEST_MODEL)


def rules(spec: Spec) -> tuple[Recording, ...]:
    """Read off the prices once a step, because what follows looks names up many times. Every name has a price of input,
    and one model: while a model is renamed both have prices, and two would fail the rules that read them."""
    priced = prices.known(spec, names.PRICE, _BY_RESPONSE, eq(names.TOKEN_TYPE, names.INPUT))
    models = one_of_each(_BY_RESPONSE, aggregate("group", priced, (*_BY_RESPONSE, names.MODEL)))
    note = "The model of every name that the metrics may show."
    return (Recording(names.MODEL_NAMES, models, {}, note),)


def named(record: Selector) -> Expr:
    """What was just recorded, with the label `model`: the model's name, or the metric's own where it has no price."""
    used = record.just_recorded()
    answered = binary(used, "*", _responses(), on=_BY_RESPONSE, group_left=(names.MODEL,))
    unlisted = unless(used, _responses(), on=_BY_RESPONSE)
    asked_for = binary(unlisted, "*", _requests(), on=_BY_REQUEST, group_left=(names.MODEL,))
    called = record.where(none_of(names.RESPONSE_MODEL, [names.UNKNOWN]))
    nameless = record.where(eq(names.RESPONSE_MODEL, names.UNKNOWN))
    return either(
        answered,
        asked_for,
        copy_label(unpriced(called), names.MODEL, names.RESPONSE_MODEL),
        copy_label(unpriced(nameless), names.MODEL, names.REQUEST_MODEL),
    )


def unpriced(record: Selector) -> Expr:
    """What was just recorded and has no price under either name."""
    unlisted = unless(record.just_recorded(), _responses(), on=_BY_RESPONSE)
    return unless(unlisted, _requests(), on=_BY_REQUEST)


def _responses() -> Expr:
    return series(names.MODEL_NAMES).just_recorded()


def _requests() -> Expr:
    """The same names, to be looked up as those that were asked for."""
    return copy_label(_responses(), names.REQUEST_MODEL, names.RESPONSE_MODEL)

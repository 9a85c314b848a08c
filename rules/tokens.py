"""From the gateway's counts to tokens that can be priced: each in one type, under the model's canonical name."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.gateways import token_semantics
from tollbook.gen.model import Recording
from tollbook.gen.promql import (
    Expr,
    Selector,
    aggregate,
    binary,
    copy_label,
    either,
    eq,
    label_replace,
    negative,
    none_of,
    one_of,
    one_of_each,
    scalar,
    series,
    sum_by,
    unless,
)
from tollbook.gen.spec import Gateway, Spec
from tollbook.rules import prices

#: A label that lives inside one expression only: it keeps what is taken off `input` apart until both are summed.
_TAKEN_FROM_INPUT = "taken_from_input"

_BY_RESPONSE = (names.PROVIDER, names.RESPONSE_MODEL, names.TOKEN_TYPE)
_BY_REQUEST = (names.PROVIDER, names.REQUEST_MODEL, names.TOKEN_TYPE)


def rules(spec: Spec, gateway: Gateway) -> tuple[Recording, ...]:
    step, labels = spec.prometheus.step, {names.GATEWAY: gateway.id}
    metered = series(names.metered_tokens(step), eq(names.GATEWAY, gateway.id))
    billable = series(names.billable_tokens(step), eq(names.GATEWAY, gateway.id))
    identity = (names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL, names.TOKEN_TYPE)
    return (
        Recording(
            billable.metric,
            sum_by((*identity, *spec.spend_labels), _each_once(gateway, metered)),
            labels,
            f"Each token in one type: {token_semantics(gateway.version).reason}.",
        ),
        Recording(
            names.tokens(step),
            sum_by((names.PROVIDER, names.MODEL, names.TOKEN_TYPE, *spec.spend_labels), _named(spec, billable)),
            labels,
            "Under the model's name: found by the response model, else by the request model, else the metric's own.",
        ),
        Recording(
            names.unpriced_tokens(step),
            binary(sum_by((*identity, *spec.prometheus.keep_labels), _unpriced(spec, billable)), ">", scalar(0)),
            labels,
            "What has no price under either name.",
        ),
    )


def _each_once(gateway: Gateway, metered: Selector) -> Expr:
    """Where `input` also holds the cached tokens, these are taken off it: added as a negative part, because a
    subtraction of vectors would drop every model that has no cached tokens."""
    cached = metered.where(one_of(names.TOKEN_TYPE, names.CACHE_TYPES))
    parts = [metered.just_recorded()]
    for matchers in token_semantics(gateway.version).input_includes_cache:
        taken = copy_label(negative(cached.where(*matchers).just_recorded()), _TAKEN_FROM_INPUT, names.TOKEN_TYPE)
        parts.append(label_replace(taken, names.TOKEN_TYPE, names.INPUT))
    return either(*parts)


def _named(spec: Spec, billable: Selector) -> Expr:
    """Under the model's name: found by the response model, else by the request model, else the metric's own."""
    used = billable.just_recorded()
    by_response = binary(used, "*", _one_if_priced(spec, _BY_RESPONSE), on=_BY_RESPONSE, group_left=(names.MODEL,))
    unlisted = unless(used, _prices(spec, _BY_RESPONSE), on=_BY_RESPONSE)
    by_request = binary(unlisted, "*", _one_if_priced(spec, _BY_REQUEST), on=_BY_REQUEST, group_left=(names.MODEL,))
    called = billable.where(none_of(names.RESPONSE_MODEL, [names.UNKNOWN]))
    nameless = billable.where(eq(names.RESPONSE_MODEL, names.UNKNOWN))
    return either(
        by_response,
        by_request,
        copy_label(_unpriced(spec, called), names.MODEL, names.RESPONSE_MODEL),
        copy_label(_unpriced(spec, nameless), names.MODEL, names.REQUEST_MODEL),
    )


def _unpriced(spec: Spec, billable: Selector) -> Expr:
    unlisted = unless(billable.just_recorded(), _prices(spec, _BY_RESPONSE), on=_BY_RESPONSE)
    return unless(unlisted, _prices(spec, _BY_REQUEST), on=_BY_REQUEST)


def _prices(spec: Spec, by: tuple[str, ...]) -> Expr:
    """The price series, whose names are response models, under the label that is to be looked up."""
    price = prices.known(spec)
    return copy_label(price, names.REQUEST_MODEL, names.RESPONSE_MODEL) if names.REQUEST_MODEL in by else price


def _one_if_priced(spec: Spec, by: tuple[str, ...]) -> Expr:
    """One model a name: while a model is renamed both have prices, and two would fail the whole rule."""
    return one_of_each(by, aggregate("group", _prices(spec, by), (*by, names.MODEL)))

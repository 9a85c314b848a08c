"""From the gateway's counts to tokens that can be priced: each in one type, under the model's canonical name."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.gateways import TOKEN_SEMANTICS
from tollbook.gen.model import Recording
from tollbook.gen.promql import (
    Expr,
    Selector,
    binary,
    copy_label,
    either,
    eq,
    label_replace,
    negative,
    none_of,
    one_of,
    scalar,
    series,
    sum_by,
)
from tollbook.gen.spec import Spec
from tollbook.rules import naming
from tollbook.rules.ledger import identity

#: A label that lives inside one expression only: it keeps what is taken off `input` apart until both are summed.
_TAKEN_FROM_INPUT = "taken_from_input"


def rules(spec: Spec) -> tuple[Recording, ...]:
    step, labels = spec.prometheus.step, {}
    metered = series(names.metered_tokens(step))
    billable = series(names.billable_tokens(step))
    by_model = (names.GATEWAY, names.PROVIDER, names.MODEL, names.TOKEN_TYPE, *spec.spend_labels)
    return (
        Recording(
            billable.metric,
            sum_by((*identity(spec), names.TOKEN_TYPE), _each_once(metered)),
            labels,
            "Each token in one type: where `input` holds the cached tokens too, they are taken off it.",
        ),
        Recording(
            names.tokens(step),
            sum_by(by_model, naming.named(billable)),
            labels,
            "Under the model's name: found by the response model, else by the request model, else the metric's own.",
        ),
        Recording(
            names.unpriced_tokens(step),
            _unpriced(spec, billable),
            labels,
            "What has no price: under neither name, or of a type that is not known here.",
        ),
    )


def _unpriced(spec: Spec, billable: Selector) -> Expr:
    of_no_type = billable.where(none_of(names.TOKEN_TYPE, names.TOKEN_TYPES)).just_recorded()
    by = (names.GATEWAY, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL, names.TOKEN_TYPE, *spec.prometheus.keep_labels)
    return binary(sum_by(by, either(naming.unpriced(billable), of_no_type)), ">", scalar(0))


def _each_once(metered: Selector) -> Expr:
    """Where `input` also holds the cached tokens, these are taken off it: added as a negative part, because a
    subtraction of vectors would drop every model that has no cached tokens."""
    cached = metered.where(one_of(names.TOKEN_TYPE, names.CACHE_TYPES))
    parts = [metered.just_recorded()]
    for row in TOKEN_SEMANTICS:
        counted_so = cached.where(eq(names.SEMANTICS, row.name))
        for matchers in row.input_includes_cache:
            taken = negative(counted_so.where(*matchers).just_recorded())
            in_type = copy_label(taken, _TAKEN_FROM_INPUT, names.TOKEN_TYPE)
            parts.append(label_replace(in_type, names.TOKEN_TYPE, names.INPUT))
    return either(*parts)

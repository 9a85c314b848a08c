"""From the counts of each pod to tokens that can be priced: each in one type, under the model's canonical name."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.gateways import TOKEN_SEMANTICS
from tollbook.gen.model import Recording
from tollbook.gen.promql import (
    Expr,
    binary,
    copy_label,
    either,
    eq,
    label_replace,
    negative,
    one_of,
    scalar,
    series,
    sum_by,
    unless,
)
from tollbook.gen.spec import Spec
from tollbook.rules import booking
from tollbook.rules.prices import PRICED
from tollbook.rules.selectors import Stage, recorded

#: A label that lives inside one expression only: it keeps what is taken off `input` apart until both are summed.
_TAKEN_FROM_INPUT = "taken_from_input"


def rules(spec: Spec) -> tuple[Recording, ...]:
    step = spec.prometheus.step
    return (
        Recording(
            names.misread_tokens(step),
            _misread(spec),
            note="Cached tokens of a pod that cannot be part of its `input`, though its version counts them there.",
        ),
        Recording(
            names.billable_tokens(step),
            booking.in_figures(spec, _billable(spec)),
            note="Each token in one type: where `input` includes cached tokens, they are taken off it.",
        ),
        Recording(
            names.tokens(step),
            _sum_of_billable(spec, (names.GATEWAY, *PRICED, *spec.spend_labels)),
            note="By the model's name in the spec; by the metric's own where the spec does not list it.",
        ),
        Recording(names.unpriced_tokens(step), _unpriced(spec), note="What has no price at this minute."),
    )


def _billable(spec: Spec) -> Expr:
    by = (*booking.placed(spec), *booking.MODEL_LABELS, names.TOKEN_TYPE, *spec.prometheus.keep_labels)
    return sum_by(by, _each_once(spec))


def _each_once(spec: Spec) -> Expr:
    """Where `input` also holds the cached tokens, these are taken off it: added as a negative part, because a
    subtraction of vectors would drop every model that has no cached tokens."""
    metered = series(names.metered_tokens(spec.prometheus.step))
    misread = recorded(spec, series(names.misread_tokens(spec.prometheus.step)), of=Stage.MISREAD, at=Stage.BILLABLE)
    taken = negative(unless(_included(spec, Stage.BILLABLE), misread, on=_cell(spec)))
    in_type = copy_label(taken, _TAKEN_FROM_INPUT, names.TOKEN_TYPE)
    return either(
        recorded(spec, metered, of=Stage.METERED, at=Stage.BILLABLE),
        label_replace(in_type, names.TOKEN_TYPE, names.INPUT),
    )


def _included(spec: Spec, at: Stage) -> Expr:
    """Cached tokens that the pod's version counts as `input` too."""
    cached = series(names.metered_tokens(spec.prometheus.step), one_of(names.TOKEN_TYPE, names.CACHE_TYPES))
    return either(
        *(
            recorded(spec, cached.where(eq(names.SEMANTICS, row.name), *matchers), of=Stage.METERED, at=at)
            for row in TOKEN_SEMANTICS
            for matchers in row.input_includes_cache
        )
    )


def _cell(spec: Spec) -> tuple[str, ...]:
    """What the types of one pod and model have in common."""
    by = (*booking.placed(spec), *booking.MODEL_LABELS)
    return tuple(dict.fromkeys((*by, *_POD, *spec.prometheus.keep_labels, names.FORMAT, names.SEMANTICS)))


_POD = (names.JOB, names.INSTANCE, names.POD)


def _misread(spec: Spec) -> Expr:
    """Of a pod and model, in one step: more cached tokens than `input`, which is impossible where it includes them. The
    gateway left them out, so this step is read so."""
    prompts = series(names.metered_tokens(spec.prometheus.step), eq(names.TOKEN_TYPE, names.INPUT))
    cached = sum_by(_cell(spec), _included(spec, Stage.MISREAD))
    within = sum_by(_cell(spec), recorded(spec, prompts, of=Stage.METERED, at=Stage.MISREAD))
    return unless(binary(cached, ">", scalar(0)), binary(within, ">=", cached))


def _sum_of_billable(spec: Spec, by: tuple[str, ...]) -> Expr:
    billable = series(names.billable_tokens(spec.prometheus.step))
    return sum_by(by, recorded(spec, billable, of=Stage.BILLABLE, at=Stage.TOKENS))


def _unpriced(spec: Spec) -> Expr:
    """Under the names that the metrics show, where the spec does not list them."""
    billable = recorded(spec, series(names.billable_tokens(spec.prometheus.step)), of=Stage.BILLABLE, at=Stage.TOKENS)
    price = recorded(spec, series(names.PRICE_NOW), of=Stage.SEEN, at=Stage.TOKENS)
    unpriced = unless(billable, price, on=PRICED)
    named = copy_label(
        copy_label(unpriced, names.RESPONSE_MODEL, names.MODEL), names.RESPONSE_MODEL, names.BOOKED_RESPONSE_MODEL
    )
    asked = copy_label(named, names.REQUEST_MODEL, names.BOOKED_REQUEST_MODEL)
    by = (names.GATEWAY, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL, names.TOKEN_TYPE)
    return binary(sum_by((*by, *spec.prometheus.keep_labels), asked), ">", scalar(0))

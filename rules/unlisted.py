"""What uses tokens and is not in the spec: gateways, counted under the names that they show; more model names than are
kept apart; and gateways and owners whose labels a target hides."""

from __future__ import annotations

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, value, where
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import (
    Expr,
    Selector,
    aggregate,
    binary,
    copy_label,
    either,
    eq,
    labelled,
    none_of,
    scalar,
    series,
    sum_by,
    sum_of_steps,
    unless,
)
from tollbook.gen.spec import Spec
from tollbook.rules import booking
from tollbook.rules.selectors import by_gateway, fact, scraped

WITHIN = Duration.parse("1h")

#: A gateway that is created is seldom written into the spec in the same minute.
UNLISTED_FOR = Duration.parse("10m")
HIDDEN_FOR = Duration.parse("10m")
FOLDED_FOR = Duration.parse("10m")


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = (_unlisted(spec), _hidden(spec), _folded(spec))
    return (RuleGroup(f"{names.GROUP_PREFIX}.unlisted", spec.prometheus.step, alerts, home="unlisted"),)


def _unlisted(spec: Spec) -> Alert:
    """Whatever a selection finds is expected; then only the jobs of others may show more than the spec knows."""
    metered = series(names.metered_tokens(spec.prometheus.step))
    if spec.selections:
        metered = metered.where(none_of(names.JOB, [spec.id]))
    used = booking.in_figures(
        spec, sum_by((*booking.placed(spec), names.JOB, *spec.prometheus.keep_labels), sum_of_steps(metered, WITHIN))
    )
    tokens = sum_by((*by_gateway(spec), names.JOB), used)
    return Alert(
        alert=alert_names.UNLISTED,
        expr=unless(binary(tokens, ">", scalar(0)), fact(spec, names.GATEWAY_INFO), on=(names.GATEWAY,)),
        hold=UNLISTED_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "An AI gateway that is not in the spec uses LLM tokens.",
            "description": (
                f"Gateway {label(names.GATEWAY)} of job {label(names.JOB)} used {value(decimals=0)} tokens in the last "
                f"{WITHIN} and is not listed under gateways. Its spend is in every total under this name, but a budget "
                "or an alert that names a gateway does not see it. If it is a gateway of the spec under another name, "
                "correct the name; if it is new, add it; standalone gateways all call themselves default/default until "
                "the spec names them by instances."
            ),
        },
    )


def _folded(spec: Spec) -> Alert:
    """The ledger sums them under one name; what it is worth is not known."""
    by, limit = by_gateway(spec), spec.limits.models_per_gateway
    tokens = series(names.unpriced_tokens(spec.prometheus.step))
    others = tokens.where(eq(names.REQUEST_MODEL, names.OTHER), eq(names.RESPONSE_MODEL, names.OTHER))
    place = where(spec.prometheus.keep_labels)
    return Alert(
        alert=alert_names.MODELS_OVER_LIMIT,
        expr=binary(sum_by(by, sum_of_steps(others, WITHIN)), ">", scalar(0)),
        hold=FOLDED_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "An AI gateway shows more model names than are kept apart, so some are summed as other.",
            "description": (
                f"Gateway {label(names.GATEWAY)}{place} used {value(decimals=0)} tokens in the last {WITHIN} of models "
                f"that the spec does not list, under so many names that only the {limit} that use the most are kept "
                f"apart. The others stand under {names.OTHER}: their tokens are counted, have no price and cannot be "
                f"priced later. Look at the names that {alert_names.UNPRICED} tells. If they are real, add the models "
                "or their aliases to the spec, or raise limits.models_per_gateway; if a client makes them up, find it, "
                "and let the gateway's routes accept only the models that you offer."
            ),
        },
    )


def _hidden(spec: Spec) -> Alert:
    """A label of the target hides one of the metric's own, which Prometheus then calls exported_."""
    counter = scraped(spec, names.TOKEN_USAGE_SUM)
    owners = [
        labelled(
            _count(spec, counter.where(none_of(f"{names.EXPORTED_PREFIX}{entry.label}", [""])).now()),
            _HIDDEN,
            entry.label,
        )
        for entry in spec.attribution
    ]
    return Alert(
        alert=alert_names.LABEL_HIDDEN,
        expr=either(labelled(_count(spec, _other_gateway(counter)), _HIDDEN, names.GATEWAY), *owners),
        hold=HIDDEN_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "A label of scrape targets hides a label of an AI gateway's own metrics.",
            "description": (
                f"{value(decimals=0)} series of gateway {label(names.GATEWAY)} have the label {label(_HIDDEN)} from "
                f"their target, and their own as {names.EXPORTED_PREFIX}{label(_HIDDEN)}. Owners are booked by the "
                "metric's own label, gateways by the target's. Remove the target label from the monitor, or check that "
                "the two mean the same."
            ),
        },
    )


#: Which label is hidden.
_HIDDEN = "hidden"

#: What a gateway outside of Kubernetes calls itself, whatever the spec calls it.
_STANDALONE = "default/default"


def _count(spec: Spec, shown: Expr) -> Expr:
    return aggregate("count", shown, by_gateway(spec))


def _other_gateway(counter: Selector) -> Expr:
    """Series whose target bears another gateway than they do themselves."""
    own = f"{names.EXPORTED_PREFIX}{names.GATEWAY}"
    shown = counter.where(none_of(own, ["", _STANDALONE])).now()
    # Two targets may hide the same gateway: by its name alone it is one, and no label is set to the same twice.
    same = copy_label(aggregate("group", shown, (own,)), names.GATEWAY, own)
    return unless(shown, same, on=(names.GATEWAY, own))

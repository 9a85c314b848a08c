"""Pods whose `input` lacks the cached tokens that their version includes: they are counted, and told."""

from __future__ import annotations

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import binary, scalar, series, sum_by, sum_of_steps
from tollbook.gen.spec import Spec
from tollbook.rules import booking

WITHIN = Duration.parse("1h")
MISREAD_FOR = Duration.parse("5m")


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    group = RuleGroup(f"{names.GROUP_PREFIX}.misread", spec.prometheus.step, (_misread(spec),), home="misread")
    return (group,)


def _misread(spec: Spec) -> Alert:
    misread = sum_of_steps(series(names.misread_tokens(spec.prometheus.step)), WITHIN)
    by = (*booking.placed(spec), names.MODEL, names.POD, names.INSTANCE, *spec.prometheus.keep_labels)
    return Alert(
        alert=alert_names.MISREAD,
        expr=binary(booking.in_figures(spec, sum_by(by, misread)), ">", scalar(0)),
        hold=MISREAD_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "An AI gateway reports more cached tokens than input tokens, which its version rules out.",
            "description": (
                f"Target {label(names.INSTANCE)} of gateway {label(names.GATEWAY)}, provider {label(names.PROVIDER)}, "
                f"model {label(names.MODEL)}: {value(decimals=0)} cached tokens of the last {WITHIN} exceed the input "
                "tokens that should include them. These minutes are counted as if input excluded them, so nothing is "
                "billed below zero; minutes in which both kinds of requests mix may be billed too low. Known cause: "
                "agentgateway reports input without cached tokens for requests in Messages format that it converts to "
                "an OpenAI-compatible provider and that do not stream. Other cause: a custom provider that reports as "
                "Anthropic does, for which the model needs format: anthropic in the spec."
            ),
        },
    )

"""What the figures do not cover: tokens without a price, gateways that nobody scrapes."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.annotations import label, literal, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import Expr, binary, call, scalar, series, sum_by, sum_of_steps
from tollbook.gen.spec import Gateway, Spec
from tollbook.rules.scrapes import scraped

#: Long enough to see a model that is used rarely, short enough that the alert ends soon after the price was added.
UNPRICED_WITHIN = Duration.parse("1h")
ABSENT_FOR = Duration.parse("10m")

_UNPRICED_BY = (names.GATEWAY, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL)


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = (_unpriced(spec), *(_absent(gateway) for gateway in spec.gateways))
    return (RuleGroup(f"{names.GROUP_PREFIX}.coverage", spec.prometheus.step, alerts, home="coverage"),)


def _unpriced(spec: Spec) -> Alert:
    by = (*_UNPRICED_BY, *spec.prometheus.keep_labels)
    used = sum_by(by, sum_of_steps(series(names.unpriced_tokens(spec.prometheus.step)), UNPRICED_WITHIN))
    return Alert(
        alert=names.ALERT_UNPRICED,
        expr=binary(used, ">", scalar(0)),
        hold=Duration(0),
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "LLM tokens are used that have no price, so spend is understated.",
            "description": (
                f"Gateway {label(names.GATEWAY)} used {value(decimals=0)} tokens in the last hour of provider "
                f"{label(names.PROVIDER)}, request model {label(names.REQUEST_MODEL)}, response model "
                f"{label(names.RESPONSE_MODEL)}. Add the model, or this name as an alias, to models in the spec."
            ),
        },
    )


def _absent(gateway: Gateway) -> Alert:
    alive: Expr = binary(scraped(gateway, names.UP).now(), "==", scalar(1))
    return Alert(
        alert=names.ALERT_GATEWAY_ABSENT,
        expr=call("absent", alive),
        hold=ABSENT_FOR,
        labels={names.GATEWAY: gateway.id, names.SEVERITY: "warning"},
        annotations={
            "summary": "No pod of an AI gateway is scraped, so its spend is not seen.",
            "description": (
                f"Prometheus has scraped no pod of gateway {gateway.id} for {ABSENT_FOR} (job {literal(gateway.job)}). "
                "Check that the gateway runs, that its monitor exists and that Prometheus selects it."
            ),
        },
    )

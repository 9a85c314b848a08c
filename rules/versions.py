"""Pods of another version than the spec says, which holds for those that tell none and decides what is read at all."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.annotations import label, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import aggregate, matches, matches_not, regex_literal
from tollbook.gen.spec import Gateway, Spec
from tollbook.rules.fleet import of_targets

#: A rollout has two versions at once; a large one takes its time.
DIFFERS_FOR = Duration.parse("1h")

#: Builds of one's own bear a git revision, of which nothing can be told.
_ENDS_HERE = r"([.+-].*)?"
_A_VERSION = rf"v?[0-9]+\.[0-9]+{_ENDS_HERE}"


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = tuple(_differs(spec, gateway) for gateway in spec.gateways)
    return (RuleGroup(f"{names.GROUP_PREFIX}.versions", spec.prometheus.step, alerts, home="versions"),)


def _differs(spec: Spec, gateway: Gateway) -> Alert:
    version = ".".join(map(str, gateway.version))
    others = of_targets(gateway, names.BUILD_INFO).where(
        matches(names.TAG, _A_VERSION), matches_not(names.TAG, f"v?{regex_literal(version)}{_ENDS_HERE}")
    )
    return Alert(
        alert=names.ALERT_VERSION,
        expr=aggregate("count", others.now(), (*spec.prometheus.keep_labels, names.TAG)),
        hold=DIFFERS_FOR,
        labels={names.GATEWAY: gateway.id, names.SEVERITY: "warning"},
        annotations={
            "summary": "An AI gateway runs another version than the spec says.",
            "description": (
                f"{value(decimals=0)} pods of gateway {gateway.id} have run agentgateway {label(names.TAG)} for "
                f"{DIFFERS_FOR}, but the spec says version {version}. These pods are counted as their own version "
                "means it, but those that tell no version as the spec says, and the gateway's own dollars are read "
                "only where it says 1.4 or later. Set the gateway's version in the spec to what its pods run and "
                "generate again."
            ),
        },
    )

"""Pods of another release than the spec says, and pods that run no release: the spec's version counts for these."""

from __future__ import annotations

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, value
from tollbook.gen.durations import Duration
from tollbook.gen.gateways import RELEASE
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import (
    Expr,
    aggregate,
    binary,
    label_replace,
    matches,
    matches_not,
    one_of_each,
    scalar,
    unless,
)
from tollbook.gen.spec import Spec
from tollbook.rules.selectors import by_gateway, fact, of_gateways

#: A rollout has two versions at once; a large one takes its time.
DIFFERS_FOR = Duration.parse("1h")


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = (_differs(spec), _unknown(spec))
    return (RuleGroup(f"{names.GROUP_PREFIX}.versions", spec.prometheus.step, alerts, home="versions"),)


def _stated(spec: Spec) -> Expr:
    by = (names.GATEWAY, names.VERSION)
    return one_of_each((names.GATEWAY,), aggregate("group", fact(spec, names.GATEWAY_INFO), by))


def _differs(spec: Spec) -> Alert:
    """Of gateways whose version the spec states."""
    builds = of_gateways(spec, names.BUILD_INFO, matches(names.TAG, RELEASE))
    shown = label_replace(builds, names.VERSION, "$1", names.TAG, r"v?([0-9]+\.[0-9]+)\..*")
    others = unless(shown, _stated(spec), on=(names.GATEWAY, names.VERSION))
    counted = aggregate("count", others, (*by_gateway(spec), names.TAG))
    differing = binary(counted, "*", _stated(spec), on=(names.GATEWAY,), group_left=(names.VERSION,))
    return Alert(
        alert=alert_names.VERSION,
        expr=differing,
        hold=DIFFERS_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "An AI gateway runs another release than the spec says.",
            "description": (
                f"{value(decimals=0)} pods of gateway {label(names.GATEWAY)} have run agentgateway {label(names.TAG)} "
                f"for {DIFFERS_FOR}, and the spec says version {label(names.VERSION)}. Their tokens are counted as "
                "their own release counts them. Set the gateway's version in the spec to what its pods run and "
                "generate again."
            ),
        },
    )


def _unknown(spec: Spec) -> Alert:
    builds = of_gateways(spec, names.BUILD_INFO, matches_not(names.TAG, RELEASE))
    return Alert(
        alert=alert_names.VERSION_UNKNOWN,
        expr=binary(aggregate("count", builds, (*by_gateway(spec), names.TAG)), ">", scalar(0)),
        hold=DIFFERS_FOR,
        labels={names.SEVERITY: "info"},
        annotations={
            "summary": "An AI gateway runs a build that is no release, so the spec decides what its token counts mean.",
            "description": (
                f"{value(decimals=0)} pods of gateway {label(names.GATEWAY)} have run build {label(names.TAG)} for "
                f"{DIFFERS_FOR}. Only releases such as 1.5.0 say a version, so their tokens are counted as the version "
                "in the spec counts them. If that is not the version the build was made from, cached tokens are billed "
                "wrong: run a release, or set the gateway's version in the spec."
            ),
        },
    )

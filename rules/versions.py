"""Pods of another version than the spec says, which holds for those that tell none and decides what is read at all."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.annotations import label, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import aggregate, matches, matches_not, one_of, regex_literal, series
from tollbook.gen.spec import Spec
from tollbook.rules.fleet import of_gateways

#: A rollout has two versions at once; a large one takes its time.
DIFFERS_FOR = Duration.parse("1h")

#: Builds of one's own bear a git revision, of which nothing can be told.
_ENDS_HERE = r"([.+-].*)?"
_A_VERSION = rf"v?[0-9]+\.[0-9]+{_ENDS_HERE}"


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = tuple(_differs(spec, version) for version in dict.fromkeys(gateway.version for gateway in spec.gateways))
    return (RuleGroup(f"{names.GROUP_PREFIX}.versions", spec.prometheus.step, alerts, home="versions"),)


def _differs(spec: Spec, stated: tuple[int, int]) -> Alert:
    version = ".".join(map(str, stated))
    jobs = [gateway.job for gateway in spec.gateways if gateway.version == stated]
    others = series(names.BUILD_INFO).where(
        one_of(names.JOB, jobs),
        matches(names.TAG, _A_VERSION), matches_not(names.TAG, f"v?{regex_literal(version)}{_ENDS_HERE}")
    )
    return Alert(
        alert=names.ALERT_VERSION,
        expr=aggregate("count", of_gateways(others.now()), (names.GATEWAY, *spec.prometheus.keep_labels, names.TAG)),
        hold=DIFFERS_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "An AI gateway runs another version than the spec says.",
            "description": (
                f"{value(decimals=0)} pods of gateway {label(names.GATEWAY)} have run agentgateway {label(names.TAG)} for "
                f"{DIFFERS_FOR}, but the spec says version {version}. These pods are counted as their own version "
                "means it, but those that tell no version as the spec says, and the gateway's own dollars are read "
                "only where it says 1.4 or later. Set the gateway's version in the spec to what its pods run and "
                "generate again."
            ),
        },
    )

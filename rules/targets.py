"""Pods that are not scraped, so that their spend is not seen, and pods that are scraped twice."""

from __future__ import annotations

from tollbook.gen import names
from tollbook.gen.annotations import label, literal, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import Expr, aggregate, binary, both, call, copy_label, either, eq, none_of, scalar, series
from tollbook.gen.spec import Gateway, Spec
from tollbook.rules.fleet import of_gateways, of_targets, targets

#: Nothing of the gateway is seen: a restart of all its pods at once takes less.
ABSENT_FOR = Duration.parse("10m")

#: Pods may take minutes to start or to end, and the others are counted meanwhile.
DOWN_FOR = Duration.parse("15m")

#: After a restart of Prometheus a target that is gone is in sight for five minutes more, perhaps beside its successor.
TWICE_FOR = Duration.parse("15m")


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = [
        *(_absent(spec, gateway) for gateway in spec.gateways),
        *(_down(spec), _doubled(spec), _scraped_by_others(spec)),
    ]
    return (RuleGroup(f"{names.GROUP_PREFIX}.targets", spec.prometheus.step, tuple(alerts), home="targets"),)


def _absent(spec: Spec, gateway: Gateway) -> Alert:
    return Alert(
        alert=names.ALERT_GATEWAY_ABSENT,
        expr=call("absent", _alive(spec, gateway)),
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


def _down(spec: Spec) -> Alert:
    """An alert for each target, because each must have been down all the time: of a long rollout some pod always is."""
    by = (names.GATEWAY, *spec.prometheus.keep_labels, names.POD, names.INSTANCE)
    down = aggregate("min", binary(targets(spec), "==", scalar(0)), by)
    return Alert(
        alert=names.ALERT_TARGET_DOWN,
        # Where none is alive, the alert above tells it once.
        expr=both(down, binary(targets(spec), "==", scalar(1)), on=(names.GATEWAY,)),
        hold=DOWN_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "A pod of an AI gateway cannot be scraped, so its spend is not seen.",
            "description": (
                f"Scrapes of {label(names.INSTANCE)}, one of the pods of gateway {label(names.GATEWAY)}, have failed for "
                f"{DOWN_FOR}. What it serves is billed once scrapes succeed again, if that is within "
                f"{spec.prometheus.gap}, and is lost otherwise. The error stands on Prometheus' page Status > Targets: "
                "check that the pod is ready and that nothing blocks its metrics port."
            ),
        },
    )


def _doubled(spec: Spec) -> Alert:
    """Told by the build, which every process shows once: a sidecar may be a target of the job too."""
    build_info = of_targets(spec, names.BUILD_INFO)
    nameless = copy_label(build_info.where(eq(names.POD, "")).now(), names.POD, names.INSTANCE)
    shown = of_gateways(either(build_info.where(none_of(names.POD, [""])).now(), nameless))
    kept = (names.GATEWAY, *spec.prometheus.keep_labels)
    twice = binary(aggregate("count", shown, (*kept, names.NAMESPACE, names.POD)), ">", scalar(1))
    return Alert(
        alert=names.ALERT_SCRAPED_TWICE,
        expr=aggregate("count", twice, kept),
        hold=TWICE_FOR,
        labels={names.SEVERITY: "critical"},
        annotations={
            "summary": "Pods of an AI gateway are counted more than once, so its spend is overstated.",
            "description": (
                f"{value(decimals=0)} pods of gateway {label(names.GATEWAY)} are scraped under more than one target each of its "
                "job: every token of theirs is billed as often. Compare the labels of "
                f"{names.BUILD_INFO} in that job to see what tells the targets apart, and remove the endpoint or the "
                "monitor that is one too many."
            ),
        },
    )


def _scraped_by_others(spec: Spec) -> Alert:
    """The same pods by their addresses, or by their names where another job scrapes another port of theirs."""
    kept = spec.prometheus.keep_labels
    ours = of_gateways(of_targets(spec, names.BUILD_INFO).now())
    theirs = series(names.BUILD_INFO, none_of(names.JOB, [gateway.job for gateway in spec.gateways]))
    named = theirs.where(none_of(names.POD, [""]))
    same: Expr = either(
        binary(theirs.now(), "*", aggregate("group", ours, (names.GATEWAY, *kept, names.INSTANCE)), on=(*kept, names.INSTANCE), group_left=(names.GATEWAY,)),
        binary(named.now(), "*", aggregate("group", ours, (names.GATEWAY, *kept, names.NAMESPACE, names.POD)), on=(*kept, names.NAMESPACE, names.POD), group_left=(names.GATEWAY,)),
    )
    return Alert(
        alert=names.ALERT_SCRAPED_TWICE,
        expr=aggregate("count", same, (names.GATEWAY, *kept, names.JOB)),
        hold=TWICE_FOR,
        labels={names.SEVERITY: "info"},
        annotations={
            "summary": "Another job scrapes an AI gateway too, so dashboards that sum all jobs show double.",
            "description": (
                f"Job {label(names.JOB)} scrapes {value(decimals=0)} targets of gateway {label(names.GATEWAY)} besides its own "
                "job. The figures here are right, for they are made of the latter alone; those of "
                "whoever sums both are too high. Remove one of the two monitors (agentgateway's chart brings one "
                "of its own), or say monitor: none and this job in the spec."
            ),
        },
    )


def _alive(spec: Spec, gateway: Gateway) -> Expr:
    return binary(series(names.UP, eq(names.JOB, gateway.job)).now(), "==", scalar(1))

"""Pods that are not scraped, so that their spend is not seen, and pods that are scraped twice."""

from __future__ import annotations

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, value, where
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import (
    Expr,
    aggregate,
    binary,
    both,
    copy_label,
    either,
    either_on,
    labelled,
    none_of,
    one_of,
    one_of_each,
    over_time,
    scalar,
    series,
    unless,
)
from tollbook.gen.spec import Spec
from tollbook.rules.selectors import (
    REMEMBERED,
    alive,
    builds,
    by_gateway,
    fact,
    foreign_jobs,
    scraped,
    target,
    targets,
)

#: Nothing of the gateway is seen: a restart of all its pods at once takes less.
ABSENT_FOR = Duration.parse("10m")

#: Pods may take minutes to start or to end, and the others are counted meanwhile.
DOWN_FOR = Duration.parse("15m")

#: After a restart of Prometheus a target that is gone is in sight for five minutes more, perhaps beside its successor.
TWICE_FOR = Duration.parse("15m")


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = (_absent(spec), _down(spec), _doubled(spec), _scraped_by_others(spec))
    return (RuleGroup(f"{names.GROUP_PREFIX}.targets", spec.prometheus.step, alerts, home="targets"),)


def _absent(spec: Spec) -> Alert:
    """Each gateway, and each cluster of it that was seen within a day, by itself."""
    named, watched, living = _named(spec), _watched(spec), alive(targets(spec))
    never_seen = unless(unless(named, watched, on=(names.GATEWAY,)), living, on=(names.GATEWAY,))
    gone = unless(watched, living, on=by_gateway(spec))
    if foreign_jobs(spec):
        idle = _idle_targets(spec)
        gone = unless(gone, idle, on=(names.JOB, *spec.prometheus.keep_labels))
        never_seen = unless(never_seen, idle, on=(names.JOB,))
    missing = either(gone, never_seen)
    place = where(spec.prometheus.keep_labels)
    return Alert(
        alert=alert_names.GATEWAY_ABSENT,
        expr=missing,
        hold=ABSENT_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "No pod of an AI gateway is scraped, so its spend is not seen.",
            "description": (
                f"Prometheus has scraped no pod of gateway {label(names.GATEWAY)}{place} for {ABSENT_FOR} (job "
                f"{label(names.JOB)}). Likely causes, in order: it has no pods, or runs under another name than the "
                f"spec's ({alert_names.UNLISTED} would tell it); its monitor is not applied, or Prometheus does not "
                "select it (compare its labels with the spec's); a network policy blocks the metrics port. Prometheus' "
                "page Status > Targets tells them apart. If the gateway was removed on purpose, take it out of the "
                f"spec; one that no spec names ends by itself after {REMEMBERED}."
            ),
        },
    )


def _named(spec: Spec) -> Expr:
    info = aggregate("group", fact(spec, names.GATEWAY_INFO), (names.GATEWAY, names.JOB))
    return one_of_each((names.GATEWAY,), info)


def _watched(spec: Spec) -> Expr:
    """Within a day, of gateways that the spec names or selects."""
    lately = over_time("present", series(names.gateway_cost(spec.prometheus.step)), REMEMBERED)
    watched = aggregate("group", lately, by_gateway(spec))
    named = binary(watched, "*", _named(spec), on=(names.GATEWAY,), group_left=(names.JOB,))
    if not spec.selections:
        return named
    return either_on((names.GATEWAY,), named, labelled(watched, names.JOB, spec.id))


def _idle_targets(spec: Spec) -> Expr:
    """Of jobs of somebody else, agentgateways whose name is not known yet, because they served no LLM request: each may
    be a gateway of its job and cluster that is missed."""
    foreign = one_of(names.JOB, foreign_jobs(spec))
    up = both(
        alive(scraped(spec, names.UP).where(foreign).now()), scraped(spec, names.BUILD_INFO).now(), on=target(spec)
    )
    return unless(up, targets(spec), on=target(spec))


def _down(spec: Spec) -> Alert:
    """An alert for each target, because each must have been down all the time: of a long rollout some pod always is."""
    by = (*by_gateway(spec), names.POD, names.INSTANCE)
    down = aggregate("min", binary(targets(spec), "==", scalar(0)), by)
    return Alert(
        alert=alert_names.TARGET_DOWN,
        # Where none is alive, the alert above tells it once.
        expr=both(down, alive(targets(spec)), on=by_gateway(spec)),
        hold=DOWN_FOR,
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "A pod of an AI gateway cannot be scraped, so its spend is not seen.",
            "description": (
                f"Scrapes of {label(names.INSTANCE)}, one of the pods of gateway {label(names.GATEWAY)}, have failed "
                f"for {DOWN_FOR}. What it serves is billed once scrapes succeed again, if that is within "
                f"{spec.prometheus.gap}, and is lost otherwise. The error stands on Prometheus' page Status > Targets: "
                "check that the pod is ready and that nothing blocks its metrics port."
            ),
        },
    )


def _doubled(spec: Spec) -> Alert:
    """By the build, which every process shows once: a sidecar may be a target of the job too."""
    shown = _named_by_address(builds(spec))
    twice = binary(aggregate("count", shown, (*by_gateway(spec), names.NAMESPACE, _PROCESS)), ">", scalar(1))
    return Alert(
        alert=alert_names.SCRAPED_TWICE,
        expr=aggregate("count", twice, by_gateway(spec)),
        hold=TWICE_FOR,
        labels={names.SEVERITY: "critical"},
        annotations={
            "summary": "Pods of an AI gateway are counted more than once, so its spend is overstated.",
            "description": (
                f"{value(decimals=0)} pods of gateway {label(names.GATEWAY)} are scraped as more than one target each "
                "by the jobs that count: every token of theirs is billed as often. Compare the labels of "
                f"{names.BUILD_INFO} in these jobs to see what tells the targets apart, and remove the endpoint or the "
                "monitor that is one too many."
            ),
        },
    )


def _scraped_by_others(spec: Spec) -> Alert:
    """The same pods by their addresses, or by their names where another job scrapes another port of theirs."""
    theirs = series(names.BUILD_INFO, none_of(names.JOB, spec.jobs))
    named = theirs.where(none_of(names.POD, [""]))
    kept = spec.prometheus.keep_labels
    same = either(
        _also_ours(spec, theirs.now(), (*kept, names.INSTANCE)),
        _also_ours(spec, named.now(), (*kept, names.NAMESPACE, names.POD)),
    )
    return Alert(
        alert=alert_names.SCRAPED_TWICE,
        expr=aggregate("count", same, (*by_gateway(spec), names.JOB)),
        hold=TWICE_FOR,
        labels={names.SEVERITY: "info"},
        annotations={
            "summary": "Another job scrapes an AI gateway too, so dashboards that sum all jobs show double.",
            "description": (
                f"Job {label(names.JOB)} scrapes {value(decimals=0)} targets of gateway {label(names.GATEWAY)} besides "
                "the job that counts. The figures here are right, for they are made of the latter alone; those of "
                "whoever sums both are too high. Remove one of the two monitors (agentgateway's chart brings one "
                "of its own), or say monitor: none and this job in the spec."
            ),
        },
    )


#: A label that lives inside one expression only: the pod, or the address of a process outside of Kubernetes.
_PROCESS = "process"


def _named_by_address(shown: Expr) -> Expr:
    return copy_label(copy_label(shown, _PROCESS, names.INSTANCE), _PROCESS, names.POD)


def _also_ours(spec: Spec, theirs: Expr, on: tuple[str, ...]) -> Expr:
    ours = one_of_each(on, aggregate("group", builds(spec), (names.GATEWAY, *on)))
    return binary(theirs, "*", ours, on=on, group_left=(names.GATEWAY,))

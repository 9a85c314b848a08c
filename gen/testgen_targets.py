"""Tests of the alerts on what a gateway's targets are: pods that are scraped twice, as two targets of the gateway's own
job or by other jobs too, and pods of another version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert
from tollbook.gen.promtest import Case, CaseFile, absent, constant, expect_alerts, input_series, values
from tollbook.gen.spec import Gateway, Monitor, Spec
from tollbook.gen.testgen_growth import PERIOD, moment

_JOBS = ("tollbook-test-job", "tollbook-test-other-job")
_OWN, _ELSEWHERE, _THIRD = "", "tollbook-test-elsewhere", "tollbook-test-third"


@dataclass(frozen=True)
class _Target:
    """Whose build is shown: the pod (none where its label is not kept), the address, and what else tells targets
    apart."""

    pod: str
    address: str
    endpoint: str = "a"
    namespace: str = _OWN
    is_elsewhere: bool = False
    """Whether in another cluster."""


_OURS = (
    _Target("twice", "twice:1"),
    _Target("twice", "twice:2", "b"),
    *(_Target("thrice", f"thrice:{port}") for port in (1, 2, 3)),
    _Target("once", "once:1"),
    *(_Target("", f"{address}:1", endpoint) for address in ("nameless", "unnamed") for endpoint in ("a", "b")),
    _Target("", "single:1"),
    _Target("once", "namesake:1", namespace=_ELSEWHERE),
    _Target("once", "once:1", is_elsewhere=True),
)
#: Pods of ours that have more than one target.
_DOUBLED = 4

_THEIRS = (
    (
        _Target("", "once:1"),
        _Target("once", "once:9"),
        _Target("thrice", "thrice:1"),
        _Target("twice", "twice:9"),
        # What is not ours: no pod's name, other pods, another namespace, another cluster.
        _Target("", "other:9"),
        *(_Target("other", f"other:{port}") for port in (1, 2, 3)),
        _Target("twice", "namesake:9", namespace=_THIRD),
        _Target("", "twice:1", is_elsewhere=True),
        _Target("twice", "twice:9", is_elsewhere=True),
    ),
    (_Target("", "single:1"),),
)
#: Targets of ours that each of the other jobs scrapes too.
_SHARED = (4, 1)


def cases(spec: Spec, alerts: Sequence[Alert]) -> Iterator[Case]:
    gateways = list({gateway.monitor: gateway for gateway in reversed(spec.gateways)}.values())
    series_in, firing = [], []
    for gateway in gateways:
        series_in += [_shown(spec, gateway, target, {}) for target in _OURS if _may_be(spec, gateway, target)]
        for job, targets in zip(_JOBS, _THEIRS, strict=True):
            theirs = [target for target in targets if _may_be(spec, gateway, target)]
            series_in += [_shown(spec, gateway, target, {names.JOB: job}) for target in theirs]
        firing += list(_firing(spec, alerts, gateway))
    yield Case(
        "pods that are scraped twice, by ourselves and by others",
        PERIOD,
        tuple(series_in),
        alerts=(expect_alerts(names.ALERT_SCRAPED_TWICE, moment(2), firing),),
    )


def _may_be(spec: Spec, gateway: Gateway, target: _Target) -> bool:
    """Only a PodMonitor's job has targets of two namespaces, and clusters are told apart only where a label is kept."""
    if target.namespace == _ELSEWHERE and gateway.monitor is not Monitor.POD:
        return False
    return bool(spec.prometheus.keep_labels) or not target.is_elsewhere


def _shown(spec: Spec, gateway: Gateway, target: _Target, job: Mapping[str, str]) -> dict[str, str]:
    labels = {
        **traffic.target(gateway, ""),
        **traffic.kept_labels(spec),
        **job,
        names.NAMESPACE: target.namespace or gateway.namespace,
        names.INSTANCE: f"{gateway.slug}-{target.address}",
        "endpoint": target.endpoint,
    }
    if target.pod:
        labels[names.POD] = f"{gateway.slug}-{target.pod}"
    if target.is_elsewhere:
        labels[spec.prometheus.keep_labels[0]] = _ELSEWHERE
    return input_series(names.BUILD_INFO, labels, values(absent(1), constant(1, 2)))


def _firing(
    spec: Spec, alerts: Sequence[Alert], gateway: Gateway
) -> Iterator[tuple[Alert, Mapping[str, str], Decimal]]:
    kept = traffic.kept_labels(spec)
    for rule in alerts:
        if rule.alert != names.ALERT_SCRAPED_TWICE or rule.labels[names.GATEWAY] != gateway.id:
            continue
        if rule.labels[names.SEVERITY] == "info":
            for job, shared in zip(_JOBS, _SHARED, strict=True):
                yield rule, {**kept, names.JOB: job}, Decimal(shared)
        else:
            yield rule, kept, Decimal(_DOUBLED)


# ---- Versions --------------------------------------------------------------------------------------------------------

#: Later than any that is known; and what tells no version.
_LATER, _COMMIT = "v99.0.0", "3f2c9ab"


def versions(spec: Spec, alerts: Sequence[Alert]) -> CaseFile:
    """The alert waits so long that its minutes are too many: so all rules are evaluated as the pods are first seen,
    when it has waited for half its time, and when it has waited for all of it."""
    rules = [rule for rule in alerts if rule.alert == names.ALERT_VERSION]
    told = rules[0].hold
    every = silent = Duration(told.milliseconds // 2)
    series_in, firing = [], []
    for gateway, rule in zip(spec.gateways, rules, strict=True):
        own = ".".join(map(str, gateway.version))
        for number, tag in enumerate((f"v{own}.0", f"{own}.1-rc.1", _LATER, _LATER, _COMMIT)):
            target = {**traffic.target(gateway, f"pod-{number}"), **traffic.kept_labels(spec), names.TAG: tag}
            series_in.append(input_series(names.BUILD_INFO, target, constant(1, 3)))
        others = {**traffic.target(gateway, "pod"), names.JOB: _JOBS[0], names.TAG: _LATER}
        series_in.append(input_series(names.BUILD_INFO, others, constant(1, 3)))
        firing.append((rule, {names.TAG: _LATER, **traffic.kept_labels(spec)}, Decimal(2)))
    case = Case(
        "pods of another version than the spec says",
        every,
        tuple(series_in),
        alerts=(expect_alerts(names.ALERT_VERSION, silent, []), expect_alerts(names.ALERT_VERSION, told, firing)),
    )
    return CaseFile(names.rules_test_file("versions"), "Which versions pods are of", every, (case,))

"""Tests of the alert on pods of another version than the spec says."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tollbook.gen import names, traffic
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert
from tollbook.gen.promtest import Case, CaseFile, constant, expect_alerts, input_series
from tollbook.gen.spec import Spec

#: Later than any that is known; and what tells no version.
_LATER, _COMMIT = "v99.0.0", "3f2c9ab"

_OTHER_JOB = "tollbook-test-job"


def versions(spec: Spec, alerts: Sequence[Alert]) -> CaseFile:
    """The alert waits so long that its minutes are too many: so all rules are evaluated as the pods are first seen,
    when it has waited for half its time, and when it has waited for all of it."""
    (rule,) = [rule for rule in alerts if rule.alert == names.ALERT_VERSION]
    every = silent = Duration(rule.hold.milliseconds // 2)
    series_in, firing = [], []
    for gateway in spec.gateways:
        own = ".".join(map(str, gateway.version))
        for number, tag in enumerate((f"v{own}.0", f"{own}.1-rc.1", _LATER, _LATER, _COMMIT)):
            pod = f"pod-{number}"
            target = {**traffic.target(gateway, pod), **traffic.kept_labels(spec), names.TAG: tag}
            series_in.append(input_series(names.BUILD_INFO, target, constant(1, 3)))
            series_in += traffic.known(spec, gateway, pod)
        others = {**traffic.target(gateway, "pod"), names.JOB: _OTHER_JOB, names.TAG: _LATER}
        series_in.append(input_series(names.BUILD_INFO, others, constant(1, 3)))
        labels = {names.GATEWAY: gateway.id, names.TAG: _LATER, names.VERSION: own, **traffic.kept_labels(spec)}
        firing.append((rule, labels, Decimal(2)))
    case = Case(
        "pods of another version than the spec says",
        every,
        tuple(series_in),
        alerts=(expect_alerts(rule.alert, silent, []), expect_alerts(rule.alert, rule.hold, firing)),
    )
    return CaseFile(names.rules_test_file("versions"), "Which versions pods are of", every, (case,))

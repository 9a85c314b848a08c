"""Who spends: whether the gateway can tell, and whether there are not more of them than the spec allows for."""

from __future__ import annotations

from decimal import Decimal

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import (
    aggregate,
    binary,
    both,
    matches,
    matches_not,
    over_time,
    scalar,
    series,
    sum_by,
    sum_of_steps,
)
from tollbook.gen.spec import Attribution, Spec
from tollbook.rules.booking import NOBODY
from tollbook.rules.selectors import LOOKBACK, by_gateway

HOUR = Duration.parse("1h")
HOLD = Duration.parse("15m")

#: A few requests without a name are normal; above a tenth a report by team is no report.
UNATTRIBUTED_PERCENT = 10
LEAST_USD = Decimal("0.01")


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    if not spec.attribution:
        return ()
    alerts = [_unattributed(spec, entry) for entry in spec.attribution]
    alerts += [_over_limit(spec, entry) for entry in spec.attribution]
    return (RuleGroup(f"{names.GROUP_PREFIX}.attribution", spec.prometheus.step, tuple(alerts), home="attribution"),)


def _unattributed(spec: Spec, entry: Attribution) -> Alert:
    by, cost = (names.GATEWAY, *spec.prometheus.keep_labels), series(names.cost(spec.prometheus.step))
    nobody = sum_by(by, sum_of_steps(cost.where(matches(entry.label, NOBODY)), HOUR))
    share = binary(nobody, "/", sum_by(by, sum_of_steps(cost, HOUR)))
    much = binary(nobody, ">", scalar(LEAST_USD))
    return Alert(
        alert=alert_names.UNATTRIBUTED,
        expr=both(binary(binary(scalar(100), "*", share), ">", scalar(UNATTRIBUTED_PERCENT)), much),
        hold=HOLD,
        labels={names.ATTRIBUTION: entry.label, names.SEVERITY: "warning"},
        annotations={
            "summary": "A large part of LLM spend bears nobody's name.",
            "description": (
                f"Gateway {label(names.GATEWAY)}: {value(decimals=0)} percent of the dollars of the last hour have no "
                f"{entry.label}, or {names.UNKNOWN}; more than {UNATTRIBUTED_PERCENT} are told. Check that "
                f"the gateway's policy sets the metric label {entry.label}, that its expression gives text, and that "
                "clients send what it reads."
            ),
        },
    )


def _over_limit(spec: Spec, entry: Attribution) -> Alert:
    """As the ledger sees them: also owners whom a label of their target hides."""
    by = by_gateway(spec)
    counted = over_time("last", series(names.USAGE_SEEN, matches_not(entry.label, NOBODY)), LOOKBACK)
    values = aggregate("count", aggregate("group", counted, (entry.label, *by)), by)
    return Alert(
        alert=alert_names.OVER_LIMIT,
        expr=binary(values, ">", scalar(entry.limit)),
        hold=HOLD,
        labels={names.ATTRIBUTION: entry.label, names.SEVERITY: "warning"},
        annotations={
            "summary": "An attribution label has more values than its limit, so some are summed as other.",
            "description": (
                f"Gateway {label(names.GATEWAY)} shows {value(decimals=0)} values of {entry.label}; the spec keeps "
                f"{entry.limit} apart, those that use the most. The others stand under {names.OTHER}, and every total "
                "is complete. Raise the limit, or find the client that makes up names."
            ),
        },
    )

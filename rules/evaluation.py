"""Rules that fail or run late: a minute that is not recorded is never made up for."""

from __future__ import annotations

from tollbook.gen import alert_names, names
from tollbook.gen.annotations import label, value
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, RuleGroup
from tollbook.gen.promql import Expr, aggregate, binary, matches, regex_literal, scalar, series
from tollbook.gen.spec import Spec
from tollbook.rules.increase import risen_in_sight

#: So that even a single failure is in sight for long enough to be told.
LATELY = Duration.parse("15m")

#: Prometheus names a group after its file.
_OUR_GROUPS = f".*;{regex_literal(names.GROUP_PREFIX + '.')}.*"

_SELF = "Prometheus counts this itself: the alert needs it to be among its own targets."


def build(spec: Spec) -> tuple[RuleGroup, ...]:
    alerts = (_failing(spec), _missed(spec))
    return (RuleGroup(f"{names.GROUP_PREFIX}.evaluation", spec.prometheus.step, alerts, home="evaluation"),)


def _failing(spec: Spec) -> Alert:
    return Alert(
        alert=alert_names.RULES_FAILING,
        expr=_rising(spec, names.RULE_FAILURES),
        hold=Duration(0),
        labels={names.SEVERITY: "critical"},
        annotations={
            "summary": "Rules that count LLM spend fail, so what they should have recorded is lost.",
            "description": (
                f"{value(decimals=0)} evaluations in rule group {label(names.RULE_GROUP)} failed in the last "
                f"{LATELY}. What a failed rule should have recorded in its minute is in no total and is not made up "
                f"for. The error stands on Prometheus' page Status > Rules. {_SELF}"
            ),
        },
    )


def _missed(spec: Spec) -> Alert:
    return Alert(
        alert=alert_names.RULES_MISSED,
        expr=_rising(spec, names.RULE_GROUPS_MISSED),
        hold=Duration(0),
        labels={names.SEVERITY: "warning"},
        annotations={
            "summary": "Rules that count LLM spend run too late, so minutes of it are lost.",
            "description": (
                f"{value(decimals=0)} evaluations of rule group {label(names.RULE_GROUP)} were left out in the last "
                f"{LATELY}, because those before took longer than the {spec.prometheus.step} between them. What they "
                "should have recorded is in no total and is not made up for. Give Prometheus more processor time, or "
                f"raise prometheus.step in the spec. {_SELF}"
            ),
        },
    )


def _rising(spec: Spec, metric: str) -> Expr:
    """The counters begin at zero with their group. Of two replicas that run the same rules the worse one is told."""
    risen = risen_in_sight(series(metric, matches(names.RULE_GROUP, _OUR_GROUPS)), LATELY)
    return binary(aggregate("max", risen, (*spec.prometheus.keep_labels, names.RULE_GROUP)), ">", scalar(0))

"""What the spec's `alerts` make of the rules: the one place where an alert becomes what its user wants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tollbook.gen import names
from tollbook.gen.alert_names import SEVERITY_IN_BUDGETS, STATE_THEIR_HOLD
from tollbook.gen.annotations import literal
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, Rule
from tollbook.gen.spec import Spec
from tollbook.rules.budget_facts import routing_labels


def applied(spec: Spec, rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Without the alerts that are not enabled; recordings stay as they are."""
    return tuple(
        _as_set(spec, rule) if isinstance(rule, Alert) else rule
        for rule in rules
        if not isinstance(rule, Alert) or spec.alerts.is_enabled(rule.alert)
    )


def _as_set(spec: Spec, rule: Alert) -> Alert:
    """What a rule says of itself wins, that is what tells its alerts apart."""
    setting = spec.alerts.rules.get(rule.alert)
    held = rule if setting is None or setting.hold is None else _held(rule, setting.hold)
    severity = {} if setting is None or setting.severity is None else {names.SEVERITY: setting.severity}
    of_series = routing_labels(spec) if rule.alert in SEVERITY_IN_BUDGETS else ()
    labels = {label: text for label, text in spec.alerts.labels_of(rule.alert).items() if label not in of_series}
    return replace(held, labels={**_literals(labels), **rule.labels, **severity})


def _literals(labels: Mapping[str, str]) -> dict[str, str]:
    return {label: literal(text) for label, text in labels.items()}


def _held(rule: Alert, hold: Duration) -> Alert:
    if rule.alert not in STATE_THEIR_HOLD:
        return replace(rule, hold=hold)
    stated, states = re.compile(rf" for {rule.hold}\b"), f" for {hold}" if hold.milliseconds else ""
    return replace(
        rule, hold=hold, annotations={key: stated.sub(states, text) for key, text in rule.annotations.items()}
    )

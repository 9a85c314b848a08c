"""Rule groups as the plain data of a Prometheus rule file; the same groups go into PrometheusRule objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tollbook.gen.model import Recording, Rule, RuleGroup
from tollbook.gen.promql import commented, layout


def rule_groups(groups: Iterable[RuleGroup]) -> list[dict[str, Any]]:
    return [
        {"name": group.name, "interval": str(group.interval), "rules": [_rule(rule) for rule in group.rules]}
        for group in groups
    ]


def _rule(rule: Rule) -> dict[str, Any]:
    if isinstance(rule, Recording):
        head: dict[str, Any] = {"record": rule.record, "expr": commented(rule.note, layout(rule.expr))}
        return {**head, "labels": dict(rule.labels)} if rule.labels else head
    return {
        "alert": rule.alert,
        "expr": layout(rule.expr),
        **({"for": str(rule.hold)} if rule.hold.milliseconds else {}),
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
    }

"""Rule groups as the plain data of a Prometheus rule file; the same groups go into PrometheusRule objects."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tollbook.gen.model import Recording, Rule, RuleGroup
from tollbook.gen.promql import Expr
from tollbook.gen.promql_layout import commented, layout

#: The widest indentation of an expression in columns. Many attribution labels nest one so deeply that its indentation
#: is four fifths of it, and what Kubernetes holds in one object has an end.
WIDEST = 80


def rule_groups(groups: Iterable[RuleGroup]) -> list[dict[str, Any]]:
    return [
        {"name": group.name, "interval": str(group.interval), "rules": [_rule(rule) for rule in group.rules]}
        for group in groups
    ]


def _rule(rule: Rule) -> dict[str, Any]:
    if isinstance(rule, Recording):
        head: dict[str, Any] = {"record": rule.record, "expr": commented(rule.note, _laid_out(rule.expr))}
        return {**head, "labels": dict(rule.labels)} if rule.labels else head
    return {
        "alert": rule.alert,
        "expr": _laid_out(rule.expr),
        **({"for": str(rule.hold)} if rule.hold.milliseconds else {}),
        **({"labels": dict(rule.labels)} if rule.labels else {}),
        "annotations": dict(rule.annotations),
    }


def _laid_out(expr: Expr) -> str:
    """By two spaces a level, or by one where two would be too many."""
    text = layout(expr)
    widest = max(len(line) - len(line.lstrip(" ")) for line in text.splitlines())
    return re.sub(r"^( +)\1", r"\1", text, flags=re.MULTILINE) if widest > WIDEST else text

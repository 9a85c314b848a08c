"""What is built from a spec, before anyone decides how to write it: rules and groups, without YAML or Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tollbook.gen.durations import Duration
from tollbook.gen.promql import Expr


@dataclass(frozen=True)
class Recording:
    record: str
    expr: Expr
    labels: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    """One line for whoever reads the generated file, written as a comment into the expression."""


@dataclass(frozen=True)
class Alert:
    alert: str
    expr: Expr
    hold: Duration
    """How long the expression must hold before the alert fires (`for`)."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


Rule = Recording | Alert


@dataclass(frozen=True)
class RuleGroup:
    """Rules evaluated in order, at one instant, every `interval`: a later rule sees what an earlier one recorded."""

    name: str
    interval: Duration
    rules: tuple[Rule, ...]
    home: str = "rules"
    """Groups of one home share a Kubernetes object. Prometheus draws the moment at which a group runs from its name and
    its file's: a group that moved would run at another moment, and count the seconds between twice or never."""

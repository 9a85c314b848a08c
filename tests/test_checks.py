"""Every check of the rendered files can fail, and says so in its sentence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from spec_builders import spec_of

from tollbook import rules
from tollbook.gen import checks
from tollbook.gen.manifests import OBJECT_BYTES, manifests
from tollbook.gen.rulefile import rule_groups

SPEC = spec_of()
GROUPS = rule_groups(rules.build(SPEC))
MANIFESTS = manifests(SPEC, rules.build(SPEC))


def said(problems: Any) -> list[str]:
    return [str(problem) for problem in problems]


def first_rule(groups: list[Any]) -> Any:
    return groups[0]["rules"][0]


def test_what_is_generated_passes() -> None:
    assert said(checks.monitoring_problems(MANIFESTS)) == []
    assert said(checks.rule_problems(GROUPS)) == []
    assert said(checks.disagreement(GROUPS, MANIFESTS)) == []


def set_expr(text: str) -> Callable[[list[Any]], None]:
    return lambda groups: first_rule(groups).update(expr=text)


RULE_FAULTS: dict[str, tuple[Callable[[list[Any]], None], str]] = {
    "a record that nothing writes": (
        set_expr("sum(agentgateway:cost_usd:increase2m)"),
        "agentgateway:price_usd_per_mtok: reads agentgateway:cost_usd:increase2m, which nothing records or scrapes",
    ),
    "a metric that nobody scrapes": (
        set_expr("rate(agentgateway_tokens_total[5m]) > 0"),
        "agentgateway:price_usd_per_mtok: reads agentgateway_tokens_total, which nothing records or scrapes",
    ),
    "no PromQL": (
        set_expr("sum(1"),
        "agentgateway:price_usd_per_mtok: not PromQL: unclosed left parenthesis",
    ),
    "a group that runs too rarely": (
        lambda groups: groups[0].update(interval="5m"),
        "group tollbook.prices.openai: evaluated every 5m, so its series have gaps",
    ),
    "two groups of one name": (
        lambda groups: groups[1].update(name="tollbook.prices.openai"),
        "group tollbook.prices.openai: 2 groups of this name",
    ),
}


@pytest.mark.parametrize("fault", RULE_FAULTS)
def test_a_fault_in_the_rules_is_told(fault: str) -> None:
    damage, sentence = RULE_FAULTS[fault]
    groups = copy.deepcopy(GROUPS)
    damage(groups)
    assert said(checks.rule_problems(groups)) == [f"rules.yaml:1:1: error: {sentence}"]


MANIFEST_FAULTS: dict[str, tuple[Callable[[list[Any]], None], str]] = {
    "a field too many": (
        lambda objects: objects[0]["spec"].update(sampleLimit=1),
        "PodMonitor ai-gw: spec has not the shape that tollbook writes",
    ),
    "a kind that we do not write": (
        lambda objects: objects[0].update(kind="Probe"),
        "Probe ai-gw: kind has not the shape that tollbook writes",
    ),
    "two objects of one name": (
        lambda objects: objects.append(copy.deepcopy(objects[0])),
        "PodMonitor monitoring/ai-gw: 2 objects of this name",
    ),
    "an alert without a severity": (
        lambda objects: next(rule for rule in rules_of(objects) if "alert" in rule)["labels"].pop("severity"),
        "PrometheusRule agentgateway-cost: spec/groups/3/rules/0/labels has not the shape that tollbook writes",
    ),
}


def rules_of(objects: list[Any]) -> list[Any]:
    return [rule for group in objects[-1]["spec"]["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("fault", MANIFEST_FAULTS)
def test_a_fault_in_an_object_is_told(fault: str) -> None:
    damage, sentence = MANIFEST_FAULTS[fault]
    objects = copy.deepcopy(MANIFESTS)
    damage(objects)
    assert said(checks.monitoring_problems(objects)) == [f"monitoring.yaml:1:1: error: {sentence}"]


def test_an_object_that_is_too_large_is_told() -> None:
    objects = copy.deepcopy(MANIFESTS)
    rules_of(objects)[0]["expr"] = f"vector(1) # {'x' * OBJECT_BYTES}"
    [sentence] = said(checks.monitoring_problems(objects))
    assert sentence.startswith("monitoring.yaml:1:1: error: PrometheusRule agentgateway-cost: 2")
    assert sentence.endswith(" bytes are more than an object may have (204800)")


def test_rules_that_are_tested_but_not_applied_are_told() -> None:
    assert said(checks.disagreement(GROUPS[1:], MANIFESTS)) == [
        "monitoring.yaml:1:1: error: its rules are not those of rules.yaml"
    ]

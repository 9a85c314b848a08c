"""The generator's own judge of monitors and rules: silent about good ones, and it names what is wrong with the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from manifest_objects import EVERY_MONITOR, Json, of_kind, with_rules_in_one
from spec_builders import spec_of

from tollbook.gen import checks, names, yamlio
from tollbook.gen.load import load
from tollbook.gen.pipeline import build, verify
from tollbook.gen.reading import packaged_schema

ROOT = Path(__file__).resolve().parent.parent
GOOD = [ROOT / "tollbook.yaml", *sorted((ROOT / "tests" / "specs" / "good").glob("*.yaml"))]


@cache
def outputs() -> dict[str, str]:
    return build(spec_of(EVERY_MONITOR))


@dataclass
class Files:
    """What the files hold, for tests to break."""

    objects: list[Json]
    groups: list[Json]

    def monitor(self, kind: str) -> Json:
        return of_kind(self.objects, kind)[0]

    def both(self, group: str) -> list[Json]:
        """The group as it stands in each of the two files."""
        applied = self.monitor("PrometheusRule")["spec"]["groups"]
        return [each for groups in (applied, self.groups) for each in groups if each["name"] == group]

    def problems(self) -> list[str]:
        """Of the files as they would be written."""
        texts = {
            names.MONITORING_FILE: yamlio.dump_all(self.objects),
            names.RULES_FILE: yamlio.dump({"groups": self.groups}),
        }
        return [str(problem) for problem in verify({**outputs(), **texts})]


@pytest.fixture
def files() -> Files:
    objects = list(yaml.safe_load_all(outputs()[names.MONITORING_FILE]))
    return Files(with_rules_in_one(objects), yaml.safe_load(outputs()[names.RULES_FILE])["groups"])


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_nothing_is_wrong_with_what_a_good_spec_gives(path: Path) -> None:
    assert verify(build(load(path.read_text(encoding="utf-8"), path.name).spec)) == []


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(packaged_schema("monitoring"))


# ---- One fault, one sentence ------------------------------------------------------------------------------------

Break = Callable[[Files], Any]


def of_monitoring(*sentences: str) -> list[str]:
    return [f"monitoring.yaml:1:1: error: {sentence}" for sentence in sentences]


def of_rules(*sentences: str) -> list[str]:
    return [f"rules.yaml:1:1: error: {sentence}" for sentence in sentences]


UNLIKE = " has not the shape that tollbook writes"

MONITORING: dict[str, tuple[Break, list[str]]] = {
    "misspelt key": (
        lambda files: files.monitor("PodMonitor")["spec"]["podMetricsEndpoints"][0].update(scrapeTimout="5s"),
        of_monitoring("PodMonitor agentgateway-cost: spec/podMetricsEndpoints/0" + UNLIKE),
    ),
    "duration with a space": (
        lambda files: files.monitor("ServiceMonitor")["spec"]["endpoints"][0].update(interval="15 s"),
        of_monitoring("ServiceMonitor agentgateway-cost: spec/endpoints/0/interval" + UNLIKE),
    ),
    "label that Kubernetes refuses": (
        lambda files: files.monitor("PodMonitor")["metadata"]["labels"].update(team="a b"),
        of_monitoring("PodMonitor agentgateway-cost: metadata/labels/team" + UNLIKE),
    ),
    "name that Kubernetes refuses": (
        lambda files: files.monitor("PodMonitor")["metadata"].update(name="Edge"),
        of_monitoring("PodMonitor Edge: metadata/name" + UNLIKE),
    ),
    "nothing that a Service could select": (
        lambda files: files.monitor("Service")["spec"]["selector"].clear(),
        of_monitoring("Service inner-metrics: spec/selector" + UNLIKE),
    ),
    "unknown kind": (
        lambda files: files.monitor("Service").update(kind="Probe"),
        of_monitoring("Probe inner-metrics: kind" + UNLIKE),
    ),
    "no name": (
        lambda files: files.monitor("Service")["metadata"].pop("name"),
        of_monitoring("object 2: metadata" + UNLIKE),
    ),
    "no metadata": (
        lambda files: files.monitor("ServiceMonitor").pop("metadata"),
        of_monitoring("object 3: the object" + UNLIKE),
    ),
    "the same object twice": (
        lambda files: files.objects.append(files.monitor("PodMonitor")),
        of_monitoring("PodMonitor observability/agentgateway-cost: 2 objects of this name"),
    ),
    "the same name for objects of two kinds": (
        lambda files: files.monitor("Service")["metadata"].update(name="agentgateway-cost", namespace="observability"),
        [],
    ),
    "the same name in two namespaces": (
        lambda files: files.objects.append(elsewhere(files.monitor("Service"))),
        [],
    ),
}


def elsewhere(manifest: Json) -> Json:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": "elsewhere"}}


TARGETS, UNPRICED = "tollbook.targets", "tollbook.unpriced"
TOTALS, TOTAL = "tollbook.totals", "agentgateway:input_tokens:total"
TOTALLED = "sum(last_over_time(agentgateway:input_tokens:by_gateway[1ms]))"
DOWN = "min by (gateway, pod, instance) (("

RULES: dict[str, tuple[Break, list[str]]] = {
    "two groups of one name": (
        lambda files: [group.update(name=TARGETS) for group in files.both(TOTALS)],
        of_rules(f"group {TARGETS}: 2 groups of this name"),
    ),
    "groups that leave gaps": (
        lambda files: [group.update(interval="5m") for group in files.both(TOTALS)],
        of_rules(f"group {TOTALS}: evaluated every 5m, so its series have gaps"),
    ),
    "groups that just leave none": (
        lambda files: [group.update(interval="4m59s999ms") for group in files.both(TOTALS)],
        [],
    ),
    "misspelt record": (
        lambda files: replace_in(files.both(TOTALS), "input_tokens:by_gateway", "input_tokens:by_gatway"),
        of_rules(f"{TOTAL}: reads agentgateway:input_tokens:by_gatway, which nothing records or scrapes"),
    ),
    "two misspelt records": (
        lambda files: replace_in(files.both(TOTALS), TOTALLED, "z / on () a"),
        of_rules(
            f"{TOTAL}: reads a, which nothing records or scrapes",
            f"{TOTAL}: reads z, which nothing records or scrapes",
        ),
    ),
    "metric that is not scraped": (
        lambda files: replace_in(files.both(TARGETS), f"{DOWN}up{{", f"{DOWN}down{{"),
        of_rules("LLMGatewayTargetDown: reads down, which nothing records or scrapes"),
    ),
    "expression that is none": (
        lambda files: replace_in(files.both(TOTALS), TOTALLED, "sum(up"),
        of_rules(f"{TOTAL}: not PromQL: unclosed left parenthesis"),
    ),
    "alert that is no expression": (
        lambda files: replace_in(files.both(UNPRICED), "[59m59s999ms])) > 0", "[59m59s999ms])) >"),
        of_rules("LLMTokensUnpriced: not PromQL: invalid promql query"),
    ),
}


def replace_in(groups: list[Json], old: str, new: str) -> None:
    """In the expressions."""
    assert len(groups) == 2
    rules = [rule for group in groups for rule in group["rules"] if old in squeezed(rule["expr"])]
    assert rules != []
    for rule in rules:
        rule["expr"] = squeezed(rule["expr"]).replace(old, new)


def squeezed(expression: str) -> str:
    """On one line, without its comment and without space at brackets."""
    code = "\n".join(line for line in expression.splitlines() if not line.startswith("#"))
    return " ".join(code.split()).replace("( ", "(").replace(" )", ")").replace("{ ", "{").replace(" {", "{")


NOT_THOSE = of_monitoring("its rules are not those of rules.yaml")

DISAGREEMENT: dict[str, tuple[Break, list[str]]] = {
    "price that differs": (
        lambda files: files.groups[0]["rules"][0].update(expr="vector(7)"),
        NOT_THOSE,
    ),
    "group that is not applied": (
        lambda files: files.monitor("PrometheusRule")["spec"]["groups"].pop(0),
        NOT_THOSE,
    ),
    "groups in another order": (
        lambda files: files.groups.reverse(),
        NOT_THOSE,
    ),
    "rule that is not tested": (
        lambda files: files.groups[0]["rules"].pop(0),
        NOT_THOSE,
    ),
}

BROKEN = MONITORING | RULES | DISAGREEMENT


@pytest.mark.parametrize(("break_it", "findings"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_is_named(files: Files, break_it: Break, findings: list[str]) -> None:
    break_it(files)
    assert files.problems() == findings


def test_an_object_that_kubectl_could_not_apply_is_named(files: Files) -> None:
    rules = files.monitor("PrometheusRule")
    alert = next(rule for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule)
    alert["annotations"]["description"] += "x" * (203_776 - len(json.dumps(rules)))
    assert list(checks.monitoring_problems([rules])) == []
    alert["annotations"]["description"] += "x"
    assert [str(problem) for problem in checks.monitoring_problems([rules])] == of_monitoring(
        "PrometheusRule agentgateway-cost: 203777 bytes are more than an object may have (203776)"
    )


def test_all_that_is_wrong_is_told_at_once(files: Files) -> None:
    files.monitor("Service")["spec"].update(clusterIP="10.0.0.1")
    files.objects.append(files.monitor("PodMonitor"))
    for group in files.both(TOTALS):
        group["interval"] = "1h"
    replace_in(files.both(UNPRICED), "[59m59s999ms])) > 0", "[59m59s999ms])) >")
    files.groups.reverse()
    assert files.problems() == [
        *of_monitoring("Service inner-metrics: spec/clusterIP" + UNLIKE),
        *of_monitoring("PodMonitor observability/agentgateway-cost: 2 objects of this name"),
        *of_rules(f"group {TOTALS}: evaluated every 1h, so its series have gaps"),
        *of_rules("LLMTokensUnpriced: not PromQL: invalid promql query"),
        *NOT_THOSE,
    ]

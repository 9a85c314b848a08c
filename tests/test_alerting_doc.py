"""docs/alerting.md works as it stands: its routes bring each alert to whom the text says, in both of its forms."""

from __future__ import annotations

import re
import shlex
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from alertmanager_server import alert, post, running, settled_states
from manifest_objects import Json, closed
from spec_builders import spec_of

from tollbook import rules
from tollbook.gen import names
from tollbook.gen.model import Alert, Recording
from tollbook.gen.spec import Spec
from tollbook.rules import budget_facts

DOC = (Path(__file__).resolve().parent.parent / "docs" / "alerting.md").read_text(encoding="utf-8")
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"^ *```yaml\n(.*?)^ *```$", DOC, re.DOTALL | re.MULTILINE)]
SPEC, ROUTES, INHIBITIONS, OBJECT, NAMESPACE = BLOCKS

SEARCH = {"budget": "search", "slack": "#search-llm"}

# Labels -> who is told.
TOLD: list[tuple[dict[str, str], list[str]]] = [
    ({"alertname": "LLMBudgetBurn", "severity": "warning", "budget": "all"}, ["platform-slack"]),
    ({"alertname": "LLMBudgetBurn", "severity": "critical", "budget": "all"}, ["platform-pager"]),
    ({"alertname": "LLMBudgetBurn", "severity": "warning", **SEARCH}, ["budget-slack"]),
    ({"alertname": "LLMBudgetBurn", "severity": "critical", **SEARCH}, ["budget-slack", "platform-pager"]),
    ({"alertname": "LLMBudgetThresholdReached", "severity": "none", **SEARCH}, ["nobody"]),
    ({"alertname": "LLMTokensUnpriced", "severity": "warning", "gateway": "ai/gw"}, ["platform-slack"]),
    ({"alertname": "LLMTokenSumsMissing", "severity": "critical", "gateway": "ai/gw"}, ["platform-pager"]),
    ({"alertname": "LLMGatewayVersionUnknown", "severity": "info", "gateway": "ai/gw"}, ["platform-slack"]),
]
ELSE = {"alertname": "KubePodCrashLooping", "severity": "critical", "namespace": "monitoring"}


def receivers(amtool: Path, config: Path, labels: dict[str, str]) -> list[str]:
    pairs = [f"{label}={text}" for label, text in labels.items()]
    command: list[str | Path] = [amtool, "config", "routes", "test", f"--config.file={config}", *pairs]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip().split(",")


def written(folder: Path, text: str) -> Path:
    path = folder / "alertmanager.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def as_the_operator_writes_it(given: Json, *, matched_by_namespace: bool) -> str:
    """What an AlertmanagerConfig becomes in the configuration, as far as routes go. The operator puts the object's name
    before a receiver's, and the namespace's before that."""
    spec = given["spec"]
    route = _route(spec["route"])
    if matched_by_namespace:
        route["matchers"].append(f'namespace="{given["metadata"]["namespace"]}"')
    nobody = {"name": "null"}
    root = {"receiver": "null", "routes": [{**route, "continue": True}]}
    return yaml.safe_dump(
        {"route": root, "receivers": [nobody, *({"name": each["name"]} for each in spec["receivers"])]}
    )


def _route(given: Json) -> dict[str, Any]:
    matchers = [f'{each["name"]}{each["matchType"]}"{each["value"]}"' for each in given["matchers"]]
    inner = [_route(each) for each in given.get("routes", [])]
    return {
        "receiver": given["receiver"],
        "matchers": matchers,
        "continue": given.get("continue", False),
        **({"group_by": given["groupBy"]} if "groupBy" in given else {}),
        **({"routes": inner} if inner else {}),
    }


# ---- The spec --------------------------------------------------------------------------------------------------------


def alerts_of(spec: Spec) -> list[Alert]:
    return [rule for group in rules.build(spec) for rule in group.rules if isinstance(rule, Alert)]


def test_the_alerts_of_the_spec_bear_what_the_page_says() -> None:
    alerts = alerts_of(spec_of(SPEC))
    assert {alert.labels["owner"] for alert in alerts} == {"platform"}
    assert [alert.alert for alert in alerts if "slack" in alert.labels] == []
    spec = spec_of(SPEC)
    facts = [rule for group in budget_facts.build(spec) for rule in group.rules if isinstance(rule, Recording)]
    told = [rule for rule in facts if "severity" in rule.labels]
    routed = {(rule.record, term) for rule in told for term in re.findall(r'"slack", "[^"]*"', str(rule.expr))}
    assert {term for _, term in routed} == {'"slack", "#search-llm"'}
    assert {record for record, _ in routed} == {names.BUDGET_THRESHOLD_RATIO, names.BUDGET_WATCH}
    assert [alert.alert for alert in alerts if "namespace" in alert.labels] == []
    assert all(alert.alert.startswith("LLM") for alert in alerts)


def test_the_namespace_can_be_set() -> None:
    assert {alert.labels["namespace"] for alert in alerts_of(spec_of(NAMESPACE))} == {"monitoring"}


# ---- Alertmanager ----------------------------------------------------------------------------------------------------


def test_amtool_accepts_the_configuration(amtool: Path, tmp_path: Path) -> None:
    config = written(tmp_path, ROUTES + INHIBITIONS)
    done = subprocess.run([amtool, "check-config", config], capture_output=True, text=True, check=False)
    assert (done.returncode, " - 4 receivers" in done.stdout) == (0, True), done.stdout + done.stderr
    assert " - 4 inhibit rules" in done.stdout


def test_each_alert_goes_to_whom_the_page_says(amtool: Path, tmp_path: Path) -> None:
    config = written(tmp_path, ROUTES)
    assert [receivers(amtool, config, labels) for labels, _ in TOLD] == [told for _, told in TOLD]
    assert receivers(amtool, config, ELSE) == ["nobody"]


def test_the_commands_of_the_page_run(amtool: Path, tmp_path: Path) -> None:
    written(tmp_path, ROUTES)
    commands = re.findall(r"^amtool (.*)$", DOC, re.MULTILINE)
    said = [
        subprocess.run([amtool, *shlex.split(command)], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for command in commands
    ]
    assert said == ["platform-slack\n", "budget-slack,platform-pager\n"]


#: As kube-prometheus-stack has it.
OF_THE_CHART = """
inhibit_rules:
  - source_matchers: ['severity = critical']
    target_matchers: ['severity =~ warning|info']
    equal: [namespace, alertname]
"""


@pytest.mark.parametrize(("inhibitions", "of_other"), [(OF_THE_CHART, "suppressed"), (INHIBITIONS, "active")])
def test_one_budget_mutes_another_only_by_the_chart_s_own_rule(
    inhibitions: str, of_other: str, alertmanager: Path, tmp_path: Path
) -> None:
    name, pod = "LLMBudgetThresholdReached", {"namespace": "ai", "pod": "x"}
    firing = [
        alert("spent", name, severity="critical", budget="all"),
        alert("its own warning", name, severity="warning", budget="all"),
        alert("another's", name, severity="warning", budget="search"),
        alert("of others", "KubePodCrashLooping", severity="critical", **pod),
        alert("muted as before", "KubePodCrashLooping", severity="warning", **pod),
    ]
    muted = {"its own warning": "suppressed", "another's": of_other, "muted as before": "suppressed"}
    expected = {"spent": "active", "of others": "active", **muted}
    with running(alertmanager, written(tmp_path, ROUTES + inhibitions), tmp_path) as url:
        post(url, firing)
        assert settled_states(url, expected) == expected


# ---- The operator ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def operator() -> jsonschema.Draft202012Validator:
    from cloudcoil.models.prometheus_operator import v1alpha1  # seconds

    return jsonschema.Draft202012Validator(closed(v1alpha1.AlertmanagerConfig.model_json_schema(by_alias=True)))


def test_the_operator_accepts_the_object(operator: jsonschema.Draft202012Validator) -> None:
    given = yaml.safe_load(OBJECT)
    assert [(error.json_path, error.message) for error in operator.iter_errors(given)] == []
    assert not operator.is_valid({**given, "spec": {**given["spec"], "inhibit_rules": []}})
    assert not operator.is_valid({**given, "spec": {**given["spec"], "route": {"reciever": "nobody"}}})


def test_its_routes_are_those_of_alertmanager(amtool: Path, tmp_path: Path) -> None:
    config = written(tmp_path, as_the_operator_writes_it(yaml.safe_load(OBJECT), matched_by_namespace=False))
    assert [receivers(amtool, config, labels) for labels, _ in TOLD] == [told for _, told in TOLD]
    assert receivers(amtool, config, ELSE) == ["null"]
    names = [each["name"] for each in yaml.safe_load(ROUTES)["receivers"]]
    assert [each["name"] for each in yaml.safe_load(OBJECT)["spec"]["receivers"]] == names


def test_by_the_object_s_namespace_it_receives_only_what_bears_it(amtool: Path, tmp_path: Path) -> None:
    config = written(tmp_path, as_the_operator_writes_it(yaml.safe_load(OBJECT), matched_by_namespace=True))
    for labels, told in TOLD:
        assert receivers(amtool, config, labels) == ["null"]
        assert receivers(amtool, config, {**labels, "namespace": "monitoring"}) == told

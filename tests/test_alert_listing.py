"""`tollbook alerts`: which alerts there are, each once, with what a person and a program need to know of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commandline import SPEC, Ended, tollbook
from spec_builders import spec_of

from tollbook import rules
from tollbook.gen import names
from tollbook.gen.alert_listing import objects, table
from tollbook.gen.alert_names import ALERTS
from tollbook.gen.model import Alert

pytestmark = pytest.mark.usefixtures("folder")

SET = """
alerts:
  labels: {owner: platform}
  rules:
    LLMPricesNotRecorded: {severity: info}
    LLMTokensUnpriced: {for: 2h, labels: {on_call: finops}}
    LLMRequestsWithoutUsage: {enabled: false}
"""


def listed(spec: str) -> list[str]:
    Path("tollbook.yaml").write_text(spec)
    ended = tollbook("alerts")
    assert (ended.exit_code, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def described(spec: str) -> list[dict[str, Any]]:
    Path("tollbook.yaml").write_text(spec)
    ended = tollbook("alerts", "--json")
    assert (ended.exit_code, ended.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    return found


def test_each_alert_has_a_line_in_columns() -> None:
    lines = listed(SPEC)
    of_budgets = [re.split(" {2,}", line, maxsplit=3) for line in lines[:3]]
    assert of_budgets == [
        ["LLMBudgetThresholdReached", "per budget", "at once", "LLM spend has reached a threshold of its budget."],
        ["LLMBudgetForecastOverLimit", "per budget", "30m", "LLM spend will be over its budget when the period ends."],
        ["LLMBudgetBurn", "per budget", "5m, 15m", "LLM spend burns its budget far faster than the budget allows."],
    ]
    assert len({line.index("LLM spend") for line in lines[:3]}) == 1
    rule_order = [rule.alert for group in rules.build(spec_of()) for rule in group.rules if isinstance(rule, Alert)]
    assert list(dict.fromkeys(line.split()[0] for line in lines[3:])) == list(dict.fromkeys(rule_order))


def test_alerts_of_one_name_and_severity_share_a_line() -> None:
    one, other = "{name: a, amount: 5, period: day}", "{name: b, amount: 5, period: month, alert_at: {50: warning}}"
    own = [line.split("  ")[0] for line in table_of(f"budgets: [{one}, {other}]") if line.startswith("LLMBudget")]
    assert own == ["LLMBudgetThresholdReached", "LLMBudgetForecastOverLimit", "LLMBudgetBurn"]
    assert any("  5m, 15m, 30m  " in line for line in table_of(f"budgets: [{one}, {other}]"))


def table_of(text: str) -> list[str]:
    return table(alerts_of(text)).splitlines()


def alerts_of(text: str) -> list[Alert]:
    return [rule for group in rules.build(spec_of(text)) for rule in group.rules if isinstance(rule, Alert)]


def test_it_lists_the_alerts_as_they_are_set() -> None:
    before, after = (
        {tuple(line.split("  ")[0:1]): line for line in listed(spec) if "LLMBudget" not in line}
        for spec in (SPEC, SPEC + SET)
    )
    assert before.keys() - after.keys() == {("LLMRequestsWithoutUsage",)}
    changed = {key[0]: line.split()[1:3] for key, line in after.items() if line.split() != before[key].split()}
    assert changed == {"LLMPricesNotRecorded": ["info", "10m"], "LLMTokensUnpriced": ["warning", "2h"]}


def test_as_json_each_rule_is_an_object() -> None:
    found = described(SPEC + SET)
    assert list(dict.fromkeys(each["name"] for each in found)) == list(
        dict.fromkeys(line.split()[0] for line in listed(SPEC + SET))
    )
    assert "LLMRequestsWithoutUsage" not in {each["name"] for each in found}
    (unpriced,) = [each for each in found if each["name"] == "LLMTokensUnpriced"]
    assert unpriced == {
        "name": "LLMTokensUnpriced",
        "severity": "warning",
        "for": "2h",
        "summary": "LLM tokens are used that have no price, so spend is understated.",
        "description": unpriced["description"],
        "runbook_url": f"{names.RUNBOOKS}/unpriced.md#llmtokensunpriced",
        "labels": {"owner": "platform", "on_call": "finops", "severity": "warning"},
    }
    assert unpriced["description"].startswith("Gateway {{ $labels.gateway }} used ")
    assert found[0]["for"] == "0s"


@pytest.mark.parametrize("labels", [{}, {"severity": "{{ $labels.severity }}"}])
def test_a_severity_that_series_bring_is_said_to_be_the_budget_s(labels: dict[str, str]) -> None:
    budget, *_ = alerts_of("budgets: [{name: a, amount: 5, period: day}]")
    of_series = replace(budget, labels=labels)
    assert table([of_series]).split("  ")[1] == "per budget"
    assert objects([of_series])[0]["severity"] == "per budget"


def test_where_every_alert_is_off_nothing_is_listed() -> None:
    off = ", ".join(f"{name}: {{enabled: false}}" for name in sorted(ALERTS))
    assert listed(SPEC.partition("budgets:")[0] + f"alerts: {{rules: {{{off}}}}}\n") == []
    assert described(Path("tollbook.yaml").read_text()) == []


def test_a_spec_that_is_refused_is_refused_here_too() -> None:
    Path("tollbook.yaml").write_text(SPEC + "alerts: {rules: {LLMTokensUnpricd: {enabled: false}}}\n")
    assert tollbook("alerts") == Ended(
        1,
        "",
        "tollbook.yaml:5:18: error: alerts: there is no alert 'LLMTokensUnpricd' (did you mean 'LLMTokensUnpriced'?)\n"
        "1 problem (1 error) in tollbook.yaml\n",
    )
    assert tollbook("alerts", "--spec", "nowhere.yaml").exit_code == 2

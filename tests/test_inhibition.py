"""Inhibit rules, as amtool reads them and as a real Alertmanager obeys them: the louder alert of a pair mutes the
other, and nobody else's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from alertmanager_server import alert, post, running, settled_states
from spec_builders import spec_of

from tollbook import rules
from tollbook.gen import names, yamlio
from tollbook.gen.headers import header
from tollbook.gen.inhibition import inhibit_rules
from tollbook.gen.model import Alert
from tollbook.rules import budget_facts

SPEC = """
    budgets:
      - {name: daily, amount: 50, period: day, alert_at: {33.3: info, 80: warning, 100: critical, 120: critical}}
      - {name: other, amount: 50, period: month, alert_at: {33.3: info, 80: warning}}
"""
CONFIG = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}


# ---- What is written -------------------------------------------------------------------------------------------------

THRESHOLD, FORECAST, BURN = (
    f'alertname="{name}"' for name in ("LLMBudgetThresholdReached", "LLMBudgetForecastOverLimit", "LLMBudgetBurn")
)
OF_GATEWAY = (
    "LLMCatalogLookupsNotExact|LLMCostDisagreesWithGateway|LLMGatewayTargetDown|LLMGatewayVersionDiffers|"
    "LLMGatewayVersionUnknown|LLMMetricLabelHidden|LLMRequestsWithoutUsage|LLMTokenCountersFrozen|LLMTokenSumsMissing"
)
GATEWAY_RULE = {
    "source_matchers": ['alertname="LLMGatewayNotScraped"'],
    "target_matchers": [f'alertname=~"{OF_GATEWAY}"'],
    "equal": ["gateway", "cluster", "prometheus"],
}


def rule(source: list[str], target: list[str]) -> dict[str, list[str]]:
    return {"source_matchers": source, "target_matchers": target, "equal": ["budget", "cluster", "prometheus"]}


def test_each_rule_names_who_mutes_whom() -> None:
    assert inhibit_rules(spec_of(SPEC)) == [
        rule([THRESHOLD, 'threshold="80"'], [THRESHOLD, 'threshold="33.3"']),
        rule([THRESHOLD, 'threshold="100"'], [THRESHOLD, 'threshold=~"33\\\\.3|80"']),
        rule([THRESHOLD, 'threshold="120"'], [THRESHOLD, 'threshold=~"100|33\\\\.3|80"']),
        rule([THRESHOLD, 'threshold=~"100|120"'], [FORECAST]),
        rule([BURN, 'burn="fast"'], [BURN, 'burn="slow"']),
        GATEWAY_RULE,
    ]


@pytest.mark.parametrize(
    "budgets",
    [
        "[]",
        "[{name: b, amount: 5, period: day, alert_at: {80: info}, burn: {slow: info}}]",
        "[{name: b, amount: 5, period: 1h, alert_at: {100: info}}]",
        "[{name: b, amount: 5, period: day, alert_at: {100: info}, forecast: never, burn: {}}]",
    ],
)
def test_where_there_is_no_pair_there_is_no_rule(budgets: str) -> None:
    assert inhibit_rules(spec_of(f"budgets: {budgets}")) == [GATEWAY_RULE]


def test_the_labels_of_the_rules_are_those_that_the_alerts_bear() -> None:
    spec = spec_of(SPEC)
    alerts = [rule for group in rules.build(spec) for rule in group.rules if isinstance(rule, Alert)]
    facts = [rule for group in budget_facts.build(spec) for rule in group.rules]
    labels = [(label, text) for rule in (*alerts, *facts) for label, text in rule.labels.items()]
    borne = {f'{label}="{text}"' for label, text in labels if label in ("threshold", "burn")}
    named = {f'alertname="{alert.alert}"' for alert in alerts}
    equalities = {
        matcher
        for inhibition in inhibit_rules(spec)
        for matcher in (*inhibition["source_matchers"], *inhibition["target_matchers"])
        if "=~" not in matcher
    }
    assert equalities <= borne | named
    assert borne <= equalities


BOTH_BURN = "budgets: [{name: daily, amount: 50, period: day, alert_at: {80: warning, 100: critical}}]\n"
LOWER = rule([THRESHOLD, 'threshold="100"'], [THRESHOLD, 'threshold="80"'])
OVER, SLOWER = (
    rule([THRESHOLD, 'threshold="100"'], [FORECAST]),
    rule([BURN, 'burn="fast"'], [BURN, 'burn="slow"']),
)
OFF = "{enabled: false}"


@pytest.mark.parametrize(
    ("alerts", "left"),
    [
        ("", [LOWER, OVER, SLOWER, GATEWAY_RULE]),
        (f"LLMBudgetThresholdReached: {OFF}", [SLOWER, GATEWAY_RULE]),
        (f"LLMBudgetForecastOverLimit: {OFF}", [LOWER, SLOWER, GATEWAY_RULE]),
        (f"LLMBudgetBurn: {OFF}", [LOWER, OVER, GATEWAY_RULE]),
        (f"LLMGatewayNotScraped: {OFF}", [LOWER, OVER, SLOWER]),
        ("LLMGatewayNotScraped: {severity: none}", [LOWER, OVER, SLOWER]),
        ("LLMGatewayNotScraped: {severity: info}", [LOWER, OVER, SLOWER, GATEWAY_RULE]),
        (", ".join(f"{alert}: {OFF}" for alert in OF_GATEWAY.split("|")), [LOWER, OVER, SLOWER]),
    ],
)
def test_an_alert_that_is_off_mutes_nothing(alerts: str, left: list[dict[str, list[str]]]) -> None:
    """Nor one of severity none, which is sent nowhere."""
    assert inhibit_rules(spec_of(f"{BOTH_BURN}alerts: {{rules: {{{alerts}}}}}")) == left


def test_an_alert_that_is_off_is_not_muted() -> None:
    (*_, of_gateway) = inhibit_rules(spec_of(f"alerts: {{rules: {{LLMTokenSumsMissing: {OFF}}}}}"))
    assert of_gateway["target_matchers"] == [f'alertname=~"{OF_GATEWAY.removesuffix("|LLMTokenSumsMissing")}"']


def text_of(spec_text: str) -> str:
    return header(names.INHIBIT_RULES_FILE) + yamlio.dump({"inhibit_rules": inhibit_rules(spec_of(spec_text))})


def test_the_file_says_what_it_is_for() -> None:
    assert text_of("").startswith(
        "# Which alerts of the rules mute which others: put its inhibit_rules among those of Alertmanager's "
        "configuration\n#\n# Generated by tollbook "
    )


# ---- What is read ----------------------------------------------------------------------------------------------------


def config_file(folder: Path, inhibitions: str) -> Path:
    path = folder / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(CONFIG) + inhibitions)
    return path


def test_amtool_accepts_them_all(amtool: Path, tmp_path: Path) -> None:
    config = config_file(tmp_path, text_of(SPEC))
    done = subprocess.run([amtool, "check-config", config], capture_output=True, text=True, check=False)
    assert (done.returncode, " - 6 inhibit rules" in done.stdout) == (0, True), done.stdout + done.stderr


def test_amtool_would_refuse_what_is_no_matcher(amtool: Path, tmp_path: Path) -> None:
    config = config_file(tmp_path, text_of(SPEC).replace('threshold="80"', 'threshold=="80"'))
    done = subprocess.run([amtool, "check-config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr


# ---- What is obeyed --------------------------------------------------------------------------------------------------


# Who -> the alert, and whether it is muted.
FIRING = {
    "80 percent of a budget at 100": (("LLMBudgetThresholdReached", {"budget": "daily", "threshold": "80"}), True),
    "33.3 percent of it": (("LLMBudgetThresholdReached", {"budget": "daily", "threshold": "33.3"}), True),
    "100 percent": (("LLMBudgetThresholdReached", {"budget": "daily", "threshold": "100"}), False),
    "80 percent of another budget": (("LLMBudgetThresholdReached", {"budget": "other", "threshold": "80"}), False),
    "80 percent of the same budget in another cluster": (
        ("LLMBudgetThresholdReached", {"budget": "daily", "threshold": "80", "cluster": "eu"}),
        False,
    ),
    "80 percent as another Prometheus sees it": (
        ("LLMBudgetThresholdReached", {"budget": "daily", "threshold": "80", "prometheus": "monitoring/other"}),
        False,
    ),
    "the forecast of a budget that is spent": (("LLMBudgetForecastOverLimit", {"budget": "daily"}), True),
    "the forecast of one that is not": (("LLMBudgetForecastOverLimit", {"budget": "other"}), False),
    "a fast burn": (("LLMBudgetBurn", {"budget": "daily", "burn": "fast"}), False),
    "the slow burn beside it": (("LLMBudgetBurn", {"budget": "daily", "burn": "slow"}), True),
    "a slow burn alone": (("LLMBudgetBurn", {"budget": "other", "burn": "slow"}), False),
    "a gateway out of sight": (("LLMGatewayNotScraped", {"gateway": "ai/gw", "job": "monitoring/cost"}), False),
    "its frozen counters": (("LLMTokenCountersFrozen", {"gateway": "ai/gw"}), True),
    "its targets": (("LLMGatewayTargetDown", {"gateway": "ai/gw"}), True),
    "its build that is no release": (("LLMGatewayVersionUnknown", {"gateway": "ai/gw", "tag": "main"}), True),
    "its hidden label": (("LLMMetricLabelHidden", {"gateway": "ai/gw", "hidden": "team"}), True),
    "cached tokens that it counted": (("LLMCachedTokensExceedInput", {"gateway": "ai/gw"}), False),
    "a gateway that is not in the spec": (("LLMGatewayUnlisted", {"gateway": "ai/new"}), False),
    "another gateway's frozen counters": (("LLMTokenCountersFrozen", {"gateway": "ai/other"}), False),
    "tokens that it used without a price": (("LLMTokensUnpriced", {"gateway": "ai/gw"}), False),
    "somebody else's alert": (("KubePodCrashLooping", {"budget": "daily", "gateway": "ai/gw"}), False),
}


def test_alertmanager_mutes_the_lesser_alert_and_no_other(alertmanager: Path, tmp_path: Path) -> None:
    firing = [alert(who, name, **labels) for who, ((name, labels), _) in FIRING.items()]
    expected = {who: "suppressed" if muted else "active" for who, (_, muted) in FIRING.items()}
    with running(alertmanager, config_file(tmp_path, text_of(SPEC)), tmp_path) as url:
        post(url, firing)
        assert settled_states(url, expected) == expected

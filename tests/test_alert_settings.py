"""What the spec's `alerts` change: exactly what they say, of exactly the alerts that they name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import reference
from gateway_series import up
from label_inference import ANY, labels_of
from promtool_cases import Case, all_rules, failures, rule_file
from spec_builders import JOB, notation, spec_of

from tollbook import rules
from tollbook.gen import alert_names, names
from tollbook.gen.alert_names import ALERTS, OF_TWO_SEVERITIES, SEVERITY_IN_BUDGETS, STATE_THEIR_HOLD
from tollbook.gen.alert_settings import AlertSetting
from tollbook.gen.durations import Duration
from tollbook.gen.errors import FindingsError
from tollbook.gen.inhibition import inhibit_rules
from tollbook.gen.load import load
from tollbook.gen.model import Alert, Recording, Rule
from tollbook.gen.spec import Spec

RICH = reference.spec()
UNSET = AlertSetting(enabled=True, severity=None, hold=None, labels={})
FULL = load((reference.ROOT / "tests/specs/good/full.yaml").read_text(encoding="utf-8"), "full.yaml").spec

SOME_TIME = re.compile(r" for ((?:\d+(?:ms|[dhms]))+)\b")


def rules_of(spec: Spec) -> list[Rule]:
    return [rule for group in rules.build(spec) for rule in group.rules]


def alerts_of(spec: Spec) -> list[Alert]:
    return [rule for rule in rules_of(spec) if isinstance(rule, Alert)]


RULES, ALERT_RULES = rules_of(RICH), alerts_of(RICH)


def with_settings(settings: dict[str, AlertSetting], labels: dict[str, str] | None = None) -> Spec:
    return replace(RICH, alerts=replace(RICH.alerts, rules=settings, labels=labels or {}))


# ---- What is known of alerts by their names --------------------------------------------------------------------------


def test_every_alert_is_known_by_its_name() -> None:
    assert {alert.alert for alert in ALERT_RULES} == ALERTS


def test_those_of_budgets_and_those_of_two_severities_are_known() -> None:
    severities: dict[str, set[str]] = {}
    for alert in ALERT_RULES:
        severities.setdefault(alert.alert, set()).add(alert.labels.get(names.SEVERITY, ""))
    assert {alert for alert, found in severities.items() if found == {""}} == set(SEVERITY_IN_BUDGETS)
    several = {name for name, found in severities.items() if len(found) > 1}
    assert several - set(SEVERITY_IN_BUDGETS) == OF_TWO_SEVERITIES


def test_whatever_a_text_says_lasts_is_what_the_alert_waits_for() -> None:
    stated = {
        (alert.alert, time, str(alert.hold))
        for alert in ALERT_RULES
        for text in alert.annotations.values()
        for time in SOME_TIME.findall(text)
    }
    assert {name for name, _, _ in stated} == STATE_THEIR_HOLD
    assert [each for each in stated if each[1] != each[2]] == []


BORNE_BY_RECORDS = {
    names.BUDGET_THRESHOLD: frozenset({names.BUDGET, names.PERIOD, names.PER, names.THRESHOLD, names.SEVERITY}),
    **dict.fromkeys((names.SCRAPES_SEEN, names.SCRAPES_LATE), frozenset({names.GATEWAY, names.JOB})),
    **dict.fromkeys(
        (names.ANSWERS_1H, names.UNREPORTED_1H), frozenset({names.GATEWAY, names.PROVIDER, names.REQUEST_MODEL})
    ),
}


@pytest.mark.parametrize("spec", [RICH, FULL], ids=["rich", "full"])
def test_no_label_of_a_series_may_be_set(spec: Spec) -> None:
    """Nor one that tells the alerts of one rule from those of another."""
    free = {label for budget in spec.budgets for label in budget.labels}
    borne = {label for alert in alerts_of(spec) for label in labels_of(alert.expr.text, BORNE_BY_RECORDS)} - free
    borne |= {label for alert in alerts_of(spec) for label in alert.labels} - free - set(spec.alerts.labels)
    borne -= {label for setting in spec.alerts.rules.values() for label in setting.labels}
    assert not borne & ANY
    labels = ", ".join(f"{label}: x" for label in sorted(borne))
    attribution = ", ".join(f"{{label: {entry.label}, expression: x}}" for entry in spec.attribution)
    text = f"""
        prometheus: {{keep_labels: [{", ".join(spec.prometheus.keep_labels)}]}}
        attribution: [{attribution}]
        alerts: {{labels: {{{labels}}}}}
    """
    with pytest.raises(FindingsError) as refusal:
        spec_of(text)
    said = [problem.message for problem in refusal.value.problems]
    assert said == [f"alerts: the label '{label}' is already borne by alerts" for label in sorted(borne)]


def test_the_label_that_kubernetes_routes_by_is_free() -> None:
    spec = spec_of("alerts: {labels: {namespace: monitoring, service: llm}}")
    assert {(alert.labels["namespace"], alert.labels["service"]) for alert in alerts_of(spec)} == {
        ("monitoring", "llm")
    }


# ---- Each key changes what it says ----------------------------------------------------------------------------------


def without(alert: str, found: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in found if not isinstance(rule, Alert) or rule.alert != alert]


def test_nothing_is_changed_where_nothing_is_said() -> None:
    assert with_settings(dict.fromkeys(ALERTS, UNSET)) != RICH
    assert rules_of(with_settings(dict.fromkeys(ALERTS, UNSET))) == RULES


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_an_alert_that_is_not_enabled_is_gone_and_nothing_else(alert: str) -> None:
    without_it = with_settings({alert: replace(UNSET, enabled=False)})
    assert rules_of(without_it) == without(alert, RULES)
    assert all(group.rules for group in rules.build(without_it))
    assert f'"{alert}"' not in str(inhibit_rules(without_it))
    assert not re.search(rf"\b{alert}\b", str(inhibit_rules(without_it)))


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_the_time_labels_and_severity_of_one_alert_are_its_own(alert: str) -> None:
    setting = AlertSetting(enabled=True, severity="none", hold=Duration.parse("77m"), labels={"on_call": "finops"})
    found = rules_of(with_settings({alert: setting}))
    assert without(alert, found) == without(alert, RULES)
    own = [rule for rule in found if isinstance(rule, Alert) and rule.alert == alert]
    before = [rule for rule in ALERT_RULES if rule.alert == alert]
    for now, then in zip(own, before, strict=True):
        assert now.expr == then.expr
        assert now.hold == Duration.parse("77m")
        assert dict(now.labels) == {**then.labels, "on_call": "finops", "severity": "none"}
        assert now.annotations["runbook_url"] == then.annotations["runbook_url"]


def test_labels_of_all_alerts_give_way_to_those_of_one() -> None:
    spec = spec_of(
        """
        alerts:
          labels: {owner: platform, tier: a}
          rules: {LLMTokensUnpriced: {labels: {owner: finops}}}
        """
    )
    told = {alert.alert: (alert.labels["owner"], alert.labels["tier"]) for alert in alerts_of(spec)}
    assert told.pop(alert_names.UNPRICED) == ("finops", "a")
    assert set(told.values()) == {("platform", "a")}


def test_labels_of_alerts_give_way_to_those_of_a_budget(promtool: Path) -> None:
    """Which are labels of series: a label of the rule would overwrite them."""
    spec = spec_of(
        """
        budgets:
          - {name: one, amount: 5, period: day, alert_at: {100: critical}, labels: {owner: search}}
          - {name: two, amount: 5, period: day, alert_at: {100: critical}}
        alerts:
          labels: {owner: platform, tier: a}
          rules:
            LLMBudgetThresholdReached: {labels: {tier: b}}
            LLMBudgetBurn: {labels: {owner: nobody}}
        """
    )
    spender = 'gateway="ai/gw",gen_ai_system="openai",model="gpt",day="0",week="0",month="1"'
    series = {
        f"agentgateway:cost_usd_of_day:day_to_date{{{spender}}}": "6x200",
        f"agentgateway:cost_usd_of_day:increase1m{{{spender}}}": "6x200",
        'agentgateway:calendar:now{day="0",week="0",month="1"}': "1x200",
    }
    reached = {"alertname": "LLMBudgetThresholdReached", "threshold": "100", "severity": "critical", "tier": "b"}
    burns = {"alertname": "LLMBudgetBurn", "burn": "fast", "severity": "critical", "tier": "a"}
    owners = [
        (reached, "one", "search"),
        (reached, "two", "platform"),
        (burns, "one", "search"),
        (burns, "two", "nobody"),
    ]
    firing = {
        notation("ALERTS", alertstate="firing", period="day", budget=budget, owner=owner, **labels): 1
        for labels, budget, owner in owners
    }
    groups = [group for group in rules.build(spec) if "budgets" in group.name or "pace" in group.name]
    asked = ("ALERTS{alertstate='firing', burn!='slow'}", "10m", firing)
    case = Case("owners", rule_file(*groups), series, (asked,), scraped_every="1m")
    assert failures(promtool, case) == {}


def test_braces_in_a_label_begin_no_template() -> None:
    spec = spec_of('alerts: {labels: {owner: "{{ $value }}"}}')
    assert {alert.labels["owner"] for alert in alerts_of(spec)} == {'{{ "{{" }} $value }}'}


def test_records_bear_none_of_the_labels() -> None:
    spec = spec_of("budgets: [{name: all, amount: 5, period: day}]\nalerts: {labels: {owner: platform}}")
    assert [rule.record for rule in rules_of(spec) if isinstance(rule, Recording) and "owner" in rule.labels] == []


# ---- What its texts say stays true ----------------------------------------------------------------------------------


@pytest.mark.parametrize("alert", sorted(STATE_THEIR_HOLD))
def test_a_text_says_the_time_that_is_set(alert: str) -> None:
    (before,) = [each for each in ALERT_RULES if each.alert == alert]
    for text, says in (("90s", " for 1m30s"), ("2d", " for 2d"), ("0s", "")):
        held = with_settings({alert: replace(UNSET, hold=Duration.parse(text))})
        (now,) = [each for each in alerts_of(held) if each.alert == alert]
        assert now.annotations["description"] == before.annotations["description"].replace(f" for {before.hold}", says)
        assert now.annotations["description"] != before.annotations["description"]


# ---- As Prometheus evaluates it --------------------------------------------------------------------------------------

SET = """
alerts:
  labels: {owner: "{{platform}}"}
  rules:
    LLMTokensUnpriced: {for: 5m, severity: critical, labels: {on_call: finops}}
    LLMGatewayNotScraped: {for: 20m}
    LLMGatewayTargetDown: {for: 0s}
    LLMPricesNotRecorded: {severity: info, for: 0s}
    LLMUnpricedShareHigh: {enabled: false}
"""
UNPRICED = notation(
    "agentgateway:unpriced_tokens:increase1m",
    gateway="ai/gw",
    gen_ai_system="openai",
    gen_ai_request_model="new",
    gen_ai_response_model="new",
    gen_ai_token_type="output",
)


def only(alert: str) -> str:
    """The rules of this alert alone, on series that a test gives."""
    spec = spec_of(SET)
    kept = [
        replace(group, rules=tuple(rule for rule in group.rules if isinstance(rule, Alert) and rule.alert == alert))
        for group in rules.build(spec)
    ]
    return rule_file(*rules.facts.build(spec), *(group for group in kept if group.rules))


def told(severity: str, summary: str, description: str, page: str, alert: str, **labels: str) -> dict[str, str]:
    return {
        "owner": "{{platform}}",
        "severity": severity,
        **labels,
        "annotation:summary": summary,
        "annotation:description": description,
        "annotation:runbook_url": f"{names.RUNBOOKS}/{page}.md#{alert.lower()}",
    }


def test_time_severity_and_labels_are_what_fires(promtool: Path) -> None:
    unpriced = told(
        "critical",
        "LLM tokens are used that have no price, so spend is understated.",
        "Gateway ai/gw used 20000 tokens in the last hour of provider openai, request model new, response model new. "
        "Add the model, or this name as an alias, to models in the spec.",
        "unpriced",
        "LLMTokensUnpriced",
        on_call="finops",
        gateway="ai/gw",
        gen_ai_system="openai",
        gen_ai_request_model="new",
        gen_ai_response_model="new",
    )
    alert = "LLMTokensUnpriced"
    at = ((alert, "6m", ()), (alert, "7m", (unpriced,)))
    case = Case("unpriced", only(alert), {UNPRICED: "_ _ 20000 stale"}, alerts=at, scraped_every="1m")
    assert failures(promtool, case) == {}


def test_a_text_that_states_its_time_fires_with_the_one_that_is_set(promtool: Path) -> None:
    absent = told(
        "warning",
        "No pod of an AI gateway is scraped, so its spend is not seen.",
        f"Prometheus has scraped no pod of gateway ai/gw for 20m (job {JOB}). Likely causes, in order: it has no "
        "pods, or runs under another name than the spec's (LLMGatewayUnlisted would tell it); its monitor is not "
        "applied, or Prometheus does not select it (compare its labels with the spec's); a network policy blocks the "
        "metrics port. Prometheus' page Status > Targets tells them apart. If the gateway was removed on purpose, "
        "take it out of the spec; one that no spec names ends by itself after 1d.",
        "targets",
        "LLMGatewayNotScraped",
        gateway="ai/gw",
        job=JOB,
    )
    alert = "LLMGatewayNotScraped"
    at = ((alert, "19m", ()), (alert, "20m", (absent,)))
    assert failures(promtool, Case("absent", only(alert), alerts=at, scraped_every="1m")) == {}


def test_an_alert_without_a_time_fires_at_once(promtool: Path) -> None:
    down = told(
        "warning",
        "A pod of an AI gateway cannot be scraped, so its spend is not seen.",
        "Scrapes of b:15020, one of the pods of gateway ai/gw, have failed. What it serves is billed once scrapes "
        "succeed again, if that is within 1h, and is lost otherwise. The error stands on Prometheus' page Status > "
        "Targets: check that the pod is ready and that nothing blocks its metrics port.",
        "targets",
        "LLMGatewayTargetDown",
        gateway="ai/gw",
        instance="b:15020",
        pod="b",
    )
    alert = "LLMGatewayTargetDown"
    at = ((alert, "2m", ()), (alert, "3m", (down,)))
    series = {up("a"): "1x9", up("b"): "1x2 0x6"}
    assert failures(promtool, Case("down", only(alert), series, alerts=at, scraped_every="1m")) == {}


def test_no_alert_fires_that_is_not_enabled(promtool: Path) -> None:
    used = notation("agentgateway:tokens:increase1m", gateway="ai/gw")
    series = {UNPRICED: "20000x60", used: "20000x60"}
    silent = Case("off", all_rules(spec_of(SET)), series, alerts=(("LLMUnpricedShareHigh", "40m", ()),))
    loud = Case("on", all_rules(spec_of()), series, alerts=(("LLMUnpricedShareHigh", "40m", ()),))
    assert set(failures(promtool, silent, loud)) == {"on"}

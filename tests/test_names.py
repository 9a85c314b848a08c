"""The contract of names: what users query is called what the documents say, and carries exactly these labels.

The other tests of the rules spell their names out as well. Here each record that users may read is looked at once, with
everything between the counter and it running, for a gateway that used 100,000 tokens of output at 10 USD per million.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from promtool_cases import Case, all_rules, failures
from spec_builders import counter, request_counter, spec_of, up

from tollbook import rules
from tollbook.gen import names
from tollbook.gen.durations import Duration
from tollbook.gen.model import Alert, Recording

SPEC = """
    prometheus: {keep_labels: [cluster]}
    attribution: [{label: team, expression: apiKey.team}]
    budgets: [{name: all, amount: 50, period: day}]
"""
WHO = {"team": "search", "cluster": "eu"}
SPENDER = 'team="search",cluster="eu"'
MODEL = 'gateway="ai/gw",gen_ai_system="openai",model="gpt"'
OUTPUT = 'gen_ai_token_type="output"'

# Record -> its labels besides the name, and its value at the fourth minute, when the first tokens are counted.
CONTRACT = {
    "agentgateway:input_tokens:total": ('cluster="eu"', 0),
    "agentgateway:output_tokens:total": ('cluster="eu"', 100_000),
    "agentgateway:input_tokens:by_gateway": ('gateway="ai/gw",cluster="eu"', 0),
    "agentgateway:output_tokens:by_gateway": ('gateway="ai/gw",cluster="eu"', 100_000),
    "agentgateway:cost_usd:by_gateway": ('gateway="ai/gw",cluster="eu"', 1),
    "agentgateway:cost_usd:by_owner": ('attribution="team",team="search"', 1),
    "agentgateway:scrapes:seen": ('gateway="ai/gw",cluster="eu",job="monitoring/agentgateway-cost"', 2),
    "agentgateway:cost_usd:total_hourly": ('cluster="eu"', 1),
    "agentgateway:cost_usd:total_daily": ('cluster="eu"', 1),
    "agentgateway:cost_usd:total_weekly": ('cluster="eu"', 1),
    "agentgateway:cost_usd:total_monthly": ('cluster="eu"', 1),
    "agentgateway:tokens:increase1m": (f"{MODEL},{OUTPUT},{SPENDER}", 100_000),
    "agentgateway:cost_usd:increase1m": (f"{MODEL},{OUTPUT},{SPENDER}", 1),
    "agentgateway:requests:increase1m": (f"{MODEL},{SPENDER}", 3),
    "agentgateway:cost_usd:day_to_date": (f"{MODEL},{SPENDER}", 1),
    "agentgateway:cost_usd:week_to_date": (f"{MODEL},{SPENDER}", 1),
    "agentgateway:cost_usd:month_to_date": (f"{MODEL},{SPENDER}", 1),
    "agentgateway:budget_usd:limit": ('budget="all",period="day"', 50),
    "agentgateway:budget_usd:spent": ('budget="all",period="day"', 1),
    "agentgateway:budget_usd:increase5m": ('budget="all",period="day"', 1),
    "agentgateway:budget_usd:increase15m": ('budget="all",period="day"', 1),
    "agentgateway:budget_usd:increase30m": ('budget="all",period="day"', 1),
    "agentgateway:budget_usd:increase3h": ('budget="all",period="day"', 1),
    "agentgateway:budget_usd:increase1d": ('budget="all",period="day"', 1),
    # Five minutes are known, and 23 h 56 min are left of the day.
    "agentgateway:budget_usd:forecast": ('budget="all",period="day"', 1 + 1 / 300 * 86_160),
    "agentgateway:period:remaining_seconds": ('period="day"', 86_160),
    "agentgateway:ledger:seconds1d": ('gateway="ai/gw"', 300),
}


def test_every_record_of_the_contract_has_its_name_labels_and_figure(promtool: Path) -> None:
    samples = [(record, "4m", {f"{record}{{{labels}}}": value}) for record, (labels, value) in CONTRACT.items()]
    price = 'spec="monitoring/agentgateway-cost",gen_ai_system="openai",model="gpt",gen_ai_token_type="output"'
    own = f"agentgateway:price_usd_per_mtok{{{price}}}"
    series = {up(cluster="eu"): "1x20", counter("output", **WHO): "_x7 100000x20"}
    series[request_counter(**WHO)] = "_x7 3x20"
    case = Case("contract", all_rules(spec_of(SPEC)), series, (*samples, (own, "4m", {own: 10})))
    assert failures(promtool, case) == {}


def test_without_kept_labels_the_article_s_totals_carry_none(promtool: Path) -> None:
    totals = {record: value for record, (labels, value) in CONTRACT.items() if labels == 'cluster="eu"'}
    samples = tuple((record, "4m", {record: value}) for record, value in totals.items())
    series = {up(): "1x20", counter("output"): "_x7 100000x20"}
    assert len(samples) == 6
    assert failures(promtool, Case("totals", all_rules(spec_of()), series, samples)) == {}


def test_tokens_without_a_price_carry_what_is_needed_to_price_them(promtool: Path) -> None:
    record = "agentgateway:unpriced_tokens:increase1m"
    model = 'gen_ai_system="openai",gen_ai_request_model="new",gen_ai_response_model="new-2027"'
    labels = f'gateway="ai/gw",{model},{OUTPUT},cluster="eu"'
    new = {"gen_ai_request_model": "new", "gen_ai_response_model": "new-2027"}
    series = {up(cluster="eu"): "1x20", counter("output", **WHO, **new): "_x7 100000x20"}
    case = Case("unpriced", all_rules(spec_of(SPEC)), series, ((record, "4m", {f"{record}{{{labels}}}": 100_000}),))
    assert failures(promtool, case) == {}


@pytest.mark.parametrize("step", ["30s", "1m", "2m", "90s"])
def test_the_ledger_s_records_say_how_long_a_step_is(step: str) -> None:
    written = str(Duration.parse(step))
    recorded = {
        rule.record
        for group in rules.build(spec_of(f"prometheus: {{step: {step}}}"))
        for rule in group.rules
        if isinstance(rule, Recording)
    }
    of_an_hour = {
        *("agentgateway:cost_usd:increase1h", "agentgateway:reported_usd:increase1h"),
        *("agentgateway:answers:increase1h", "agentgateway:answers_without_usage:increase1h"),
    }
    of_a_step = {record for record in recorded if ":increase" in record} - of_an_hour
    assert {record.rpartition(":increase")[2] for record in of_a_step} == {written}
    assert f"agentgateway:tokens:increase{written}" in of_a_step
    assert recorded >= {f"agentgateway:cost_usd:minus_reported{written}", *of_an_hour}


def test_records_and_labels_are_names_that_every_prometheus_accepts() -> None:
    """Newer ones take any text for a name, older ones do not; records are level:metric:operation."""
    spec = spec_of(SPEC)
    found = [rule for group in rules.build(spec) for rule in group.rules]
    records = {rule.record for rule in found if isinstance(rule, Recording)}
    assert {name for name in records if not re.fullmatch(r"agentgateway:[a-z_]+:[a-z0-9_]+", name)} == {
        "agentgateway:price_usd_per_mtok"  # a price is not an operation on anything
    }
    labels = {label for rule in found for label in rule.labels}
    assert {label for label in labels if not re.fullmatch(r"[a-z][a-z0-9_]*", label)} == set()
    alerts = {rule.alert for rule in found if isinstance(rule, Alert)}
    assert alerts == {
        *("LLMBudgetThresholdReached", "LLMBudgetForecastOverLimit", "LLMBudgetBurn"),
        *("LLMCostDisagreesWithGateway", "LLMSpendUnattributed", "LLMAttributionOverLimit"),
        *("LLMSpendSpike", "LLMFactContradicted", "LLMScrapesLate", "LLMFiguresMissing", "LLMLedgerRecordedTwice"),
        "LLMModelNamesOverLimit",
        "LLMCachedTokensExceedInput",
        "LLMCatalogLookupsNotExact",
        "LLMCostRulesFailing",
        "LLMCostRulesMissed",
        "LLMGatewayNotScraped",
        "LLMGatewayScrapedTwice",
        "LLMGatewayTargetDown",
        "LLMGatewayUnlisted",
        "LLMGatewayVersionDiffers",
        "LLMGatewayVersionUnknown",
        "LLMMetricLabelHidden",
        "LLMModelAnsweredByUnlisted",
        "LLMPricesNotRecorded",
        "LLMRequestsWithoutUsage",
        "LLMTokenCountersFrozen",
        "LLMTokenSumsMissing",
        "LLMTokensUnpriced",
        "LLMUnpricedShareHigh",
    }


def test_another_gateway_adds_no_rule() -> None:
    """It is a label of the series. Of the facts it may take one more, for fifty of them."""

    def rules_for(gateways: int) -> list[tuple[str, int]]:
        listed = ", ".join(f"{{name: gw{number}, namespace: ai}}" for number in range(gateways))
        return [(group.name, len(group.rules)) for group in rules.build(spec_of(f"{SPEC}\n    gateways: [{listed}]"))]

    assert rules_for(1) == rules_for(50)
    assert sum(count for _, count in rules_for(51)) == sum(count for _, count in rules_for(1)) + 1


def test_every_name_stands_for_one_thing() -> None:
    constants = {name: value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    assert len(set(constants.values())) == len(constants)


def test_the_target_s_label_is_what_the_operator_makes_of_the_pod_s() -> None:
    assert re.sub(r"[^a-zA-Z0-9_]", "_", names.GATEWAY_NAME_POD_LABEL) == names.GATEWAY_NAME_TARGET_LABEL

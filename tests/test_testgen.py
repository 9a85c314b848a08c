"""The generated tests of the generated rules: they pass for every kind of spec, on every promtool, and they notice when
the rules are wrong."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from spec_builders import spec_of
from testgen_specs import SPECS

from tollbook import rules
from tollbook.gen import names, pipeline, promql
from tollbook.gen.durations import Duration
from tollbook.gen.promtool import Promtool
from tollbook.gen.rulefile import rule_groups


@cache
def generated(name: str) -> dict[str, str]:
    outputs = pipeline.build(spec_of(SPECS[name]))
    return {file: text for file, text in outputs.items() if file == names.RULES_FILE or names.is_rules_test_file(file)}


@pytest.mark.parametrize("name", [name for name in SPECS if name != "twenty gateways"])
def test_the_generated_tests_pass(name: str, promtool: Path) -> None:
    assert [str(problem) for problem in Promtool(promtool).prove(generated(name))] == []


def test_the_generated_tests_of_twenty_gateways_pass(promtools: list[tuple[str, Path]]) -> None:
    """On one promtool, for they take as long as all the others together."""
    _, promtool = promtools[-1]
    assert [str(problem) for problem in Promtool(promtool).prove(generated("twenty gateways"))] == []


# ---- Nothing is left out ---------------------------------------------------------------------------------------------


#: An alert and what tells its rules apart: a threshold of a budget, or how bad it is.
Told = tuple[str, ...]
TOLD_BY = {
    "LLMGatewayScrapedTwice": ("severity",),
    "LLMCatalogLookupsNotExact": ("severity",),
    "LLMBudgetThresholdReached": ("budget", "threshold"),
    "LLMBudgetForecastOverLimit": ("budget",),
    "LLMBudgetBurn": ("budget", "burn"),
    "LLMAttributionOverLimit": ("attribution",),
    "LLMSpendUnattributed": ("attribution",),
}
#: The same for every spec: the project's own tests try them.
OF_THE_ENGINE = {
    "LLMGatewayUnlisted",
    "LLMMetricLabelHidden",
    "LLMCachedTokensExceedInput",
    "LLMGatewayVersionUnknown",
}


def read(name: str, file: str) -> Any:
    return yaml.load(generated(name)[file], Loader=yaml.CSafeLoader)


def told(alert: str, labels: dict[str, str]) -> Told:
    return (alert, *(labels[label].replace('{{ "{{" }}', "{{") for label in TOLD_BY.get(alert, ())))


def alert_rules(name: str) -> set[Told]:
    rules = [rule for group in read(name, names.RULES_FILE)["groups"] for rule in group["rules"]]
    alerts = [rule for rule in rules if "alert" in rule and rule["alert"] not in OF_THE_ENGINE]
    return {told(rule["alert"], rule["labels"]) for rule in alerts}


def files_of(name: str) -> dict[str, Any]:
    return {file: read(name, file) for file in generated(name) if names.is_rules_test_file(file)}


def expected_alerts(name: str) -> tuple[set[Told], set[Told]]:
    """Those that some expectation says fire, and those that an expectation of the same alert says do not."""
    moments: dict[str, list[set[Told]]] = defaultdict(list)
    tests = [test for file in files_of(name).values() for test in file["tests"]]
    for test in tests:
        for moment in test.get("alert_rule_test", []):
            alert = moment["alertname"]
            moments[alert].append({told(alert, firing["exp_labels"]) for firing in moment["exp_alerts"]})
    fired = {alert for of_alert in moments.values() for firing in of_alert for alert in firing}
    silent = {alert for alert in fired if any(alert not in firing for firing in moments[alert[0]])}
    return fired, silent


#: promtool's clock begins in 1970, and the calendar ends in 2038: two files of its own go there.
CLOCKS = ["rules-test-clocks-before.yaml", "rules-test-clocks-after.yaml"]

#: Of these no budget can be tried: nothing costs, or nothing but input does, and budgets are tried with output.
UNTRIED = ("free models alone, and a budget that they never touch", "output that costs nothing")


@pytest.mark.parametrize("name", SPECS)
def test_every_alert_is_seen_silent_and_firing(name: str) -> None:
    untried = {alert for alert in alert_rules(name) if name in UNTRIED and alert[0].startswith("LLMBudget")}
    assert expected_alerts(name) == (alert_rules(name) - untried, alert_rules(name) - untried)


@pytest.mark.parametrize("name", SPECS)
def test_every_price_and_every_name_is_billed_once(name: str) -> None:
    spec = spec_of(SPECS[name])
    tests = read(name, names.RULES_TEST_FILE)["tests"]
    shown = " ".join(series["series"] for test in tests for series in test["input_series"])
    for model in spec.models:
        assert all(promql.quote(metric_name) in shown for metric_name in model.metric_names)
    for gateway in spec.gateways:
        assert f'gateway="{gateway.id}"' in shown


def test_the_tests_run_in_the_order_of_the_rule_file() -> None:
    groups = [group["name"] for group in read("twenty gateways", names.RULES_FILE)["groups"]]
    assert read("twenty gateways", names.RULES_TEST_FILE)["group_eval_order"] == groups
    assert len(groups) > 10


# ---- Days and moments ------------------------------------------------------------------------------------------------

OTHER_TIMES = [f"rules-test-{moment}.yaml" for moment in ("week-before", "week-after", "month-before", "month-after")]
OF_ALERTS = ["rules-test-lately.yaml", "rules-test-versions.yaml"]
ALWAYS = ["rules-test.yaml", *OTHER_TIMES, "rules-test-windows.yaml", "rules-test-pasts.yaml", *OF_ALERTS]


def test_a_spec_without_price_changes_gives_no_files_of_days() -> None:
    assert list(files_of("one gateway, one model, nothing else")) == ALWAYS


def test_each_midnight_at_which_a_price_changes_has_a_file_on_either_side() -> None:
    """In New York winter begins a day at 05:00 UTC, and 30 s later is the last that is seen of the day before."""
    files = files_of("prices that change")
    found = {file: moments(data) for file, data in files.items() if file not in (*ALWAYS, *CLOCKS)}
    first, second = (datetime(year, 1, 1, 5, 0, 30, tzinfo=UTC) for year in (2025, 2026))
    a_second = timedelta(seconds=1)
    assert found == {
        "rules-test-2025-01-01-before.yaml": {first},
        "rules-test-2025-01-01-after.yaml": {first + a_second},
        "rules-test-2026-01-01-before.yaml": {second},
        "rules-test-2026-01-01-after.yaml": {second + a_second},
    }


def test_where_clocks_change_the_end_of_the_calendar_is_told_from_a_second_on() -> None:
    """`date --date="2038-01-01T00:00:00Z 180 days ago" +%s`"""
    files = files_of("prices that change")
    expected = {}
    for file in CLOCKS:
        ((moment,),) = ([*test["alert_rule_test"]] for test in files[file]["tests"])
        assert moment["eval_time"] == files[file]["evaluation_interval"]
        expected[Duration.parse(moment["eval_time"]).seconds] = len(moment["exp_alerts"])
    assert expected == {2130364799: 0, 2130364800: 1}


def moments(data: Any) -> set[datetime]:
    """At which something is expected; all of it after one interval."""
    asked = {expectation["eval_time"] for test in data["tests"] for expectation in test["promql_expr_test"]}
    assert asked == {data["evaluation_interval"]}
    return {datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=Duration.parse(time).seconds) for time in asked}


def test_the_files_of_a_day_state_every_price_of_the_models_that_change() -> None:
    """Of each token type; the output alone does not change in 2025."""
    for file, usd in (("2024", 1), ("2025", 2), ("2026", 1)):
        date = {"2024": "2025-01-01-before", "2025": "2026-01-01-before", "2026": "2026-01-01-after"}[file]
        (test,) = read("prices that change", f"rules-test-{date}.yaml")["tests"]
        prices, count, total = test["promql_expr_test"]
        assert len(prices["exp_samples"]) == 4
        assert {s["value"] for s in prices["exp_samples"] if 'token_type="input"' in s["labels"]} == {usd}
        assert [sample["value"] for sample in count["exp_samples"]] == [1] * 4
        assert total["exp_samples"][0]["value"] == usd * 1_000_000


CHANGES = "models: [{provider: openai, name: gpt, prices: [{input: 1, output: 10}, {from: DAY, input: 2, output: 10}]}]"


def test_a_change_of_tiers_alone_has_its_files() -> None:
    """In 2026 the tier costs more and begins earlier; in 2027 there is none any longer."""
    changes = """
    models:
      - provider: openai
        name: gpt
        prices:
          - {input: 1, output: 10, tiers: [{context_over: 5000, input: 2}]}
          - {from: 2026-01-01, input: 1, output: 10, tiers: [{context_over: 4000, input: 3}]}
          - {from: 2027-01-01, input: 1, output: 10}
    """
    found = {}
    for file, text in pipeline.build(spec_of(changes)).items():
        if names.is_rules_test_file(file) and file not in ALWAYS:
            (test,) = yaml.load(text, Loader=yaml.CSafeLoader)["tests"]
            _, dearest, over, *_ = test["promql_expr_test"]
            inputs = [sample["value"] for sample in dearest["exp_samples"] if 'type="input"' in sample["labels"]]
            found[file] = inputs + [sample["value"] for sample in over["exp_samples"]]
    assert found == {
        "rules-test-2026-01-01-before.yaml": [2, 5000],
        "rules-test-2026-01-01-after.yaml": [3, 4000],
        "rules-test-2027-01-01-before.yaml": [3, 4000],
        "rules-test-2027-01-01-after.yaml": [1],
    }


def test_a_new_entry_of_the_same_prices_is_no_change() -> None:
    spec = spec_of(CHANGES.replace("DAY, input: 2", "2026-01-01, input: 1"))
    assert [file for file in pipeline.build(spec) if names.is_rules_test_file(file)] == ALWAYS


#: Far east and far west, odd minutes, clocks that change at midnight, and a day that a zone left out.
ZONES = {
    "Pacific/Kiritimati": "2026-07-30",
    "Etc/GMT+12": "2026-07-30",
    "Asia/Kathmandu": "2026-07-30",
    "Australia/Lord_Howe": "2026-10-04",
    "America/Havana": "2026-03-08",
    "Pacific/Apia": "2011-12-30",
}


def test_days_weeks_and_months_of_any_zone_are_tried_and_pass(promtool: Path, tmp_path: Path) -> None:
    problems = {}
    for zone, day in ZONES.items():
        text = f"prometheus: {{timezone: {zone}}}\nbudgets: [{{name: all, usd: 50, period: month}}]\n"
        outputs = pipeline.build(spec_of(text + CHANGES.replace("DAY", day)))
        files = [file for file in outputs if names.is_rules_test_file(file) and file != names.RULES_TEST_FILE]
        others = [file for file in files if file not in CLOCKS]
        assert len(others) == 10, "four of the calendar, one of windows, one of pasts, two of alerts, two of the day"
        for file in (names.RULES_FILE, *files):
            (tmp_path / file).write_text(outputs[file])
        problems[zone] = [str(problem) for problem in Promtool(promtool).run_tests(tmp_path, files)]
    assert problems == {zone: [] for zone in ZONES}


# ---- Wrong rules are found out ---------------------------------------------------------------------------------------

REFERENCE = """
    gateways: [{name: gw, namespace: ai, version: "1.4"}, {name: new, namespace: ai}]
    models:
      - provider: openai
        name: gpt
        aliases: [gpt-2024]
        prices: [{input: 1.5, output: 10, cache_read: 0.1, cache_write: 7}]
      - {provider: anthropic, name: claude, prices: [{input: 3, output: 15}]}
    budgets: [{name: daily, usd: 50, period: day, match: {provider: openai}, alert_at: {33.3: info, 100: critical}}]
"""
# What is wrong -> the text in the rules, and what stands there instead. Quotes in expressions are written as '.
MUTANTS = {
    "a digit of a price": ("vector(1.5)", "vector(1.6)"),
    "a price a thousandth too high": ("vector(15)", "vector(15.015)"),
    "a price of another type": ("'gen_ai_token_type', 'input_cache_write'", "'gen_ai_token_type', 'nothing'"),
    "a price under another name": ("'gen_ai_response_model', 'gpt-2024'", "'gen_ai_response_model', 'gpt-2025'"),
    "a price of another provider": ('"gen_ai_system": "anthropic"', '"gen_ai_system": "azure"'),
    "tokens by the thousand": ("/ 1000000", "/ 1000"),
    "cached tokens added instead of taken off": ("label_replace(-(", "label_replace(("),
    "cached tokens taken off where they are not in": ("usage_format!='anthropic'", "usage_format!='nobody'"),
    "one cache type forgotten": ("input_cache_read|input_cache_write", "input_cache_read"),
    "falls billed as negative": ("[1ms]))), 0)", "[1ms]))), -1000000)"),
    "births not billed": ("[1h] offset 1m30s) == 1)", "[1h] offset 1m30s) == 2)"),
    "new pods not billed": ("offset 16m30s", "offset 16h"),
    "the past of a pod billed": (") and on (job, gateway) present", ") or on (job, gateway) present"),
    "a step three times as long": ("[1m] offset 30s", "[3m] offset 30s"),
    "no settling at one end": ("[1m] offset 30s", "[1m]"),
    "another job": ("job='monitoring/agentgateway-cost'", "job='monitoring/ai-gateway'"),
    "a window of one record": ("[59m59s999ms]", "[1ms]"),
    "output counted as input": ("gen_ai_token_type='output'", "gen_ai_token_type='input'"),
    "a total of one gateway": (
        "sum(last_over_time(agentgateway:cost_usd:by",
        "max(last_over_time(agentgateway:cost_usd:by",
    ),
    "a total with a label": (
        "sum(last_over_time(agentgateway:cost_usd:by",
        "sum by (gateway) (last_over_time(agentgateway:cost_usd:by",
    ),
    "a price without its model": ("max by (gen_ai_system, model,", "max by (gen_ai_system,"),
    "a limit": ("vector(50)", "vector(49.99)"),
    "a threshold": ("* 1)", "* 0.99)"),
    "a threshold's decimals": ("* 0.333", "* 0.33"),
    "another period": ("cost_usd_of_day:day_to_date{gen", "cost_usd_of_day:increase1m{gen"),
    "a budget of others": ("{gen_ai_system='openai'}", "{gen_ai_system='azure'}"),
    "a severity": ('"severity": "critical"', '"severity": "warning"'),
    "a word of an alert": ("spent today", "spent yesterday"),
    "an alert that waits too short": ('"for": "10m"', '"for": "9m"'),
    "an alert that waits too long": ('"for": "10m"', '"for": "11m"'),
    "a gateway called present": ("unless on (gateway) (up", "unless on () (up"),
    "a pod down that waits too short": ('"for": "15m"', '"for": "14m"'),
    "a version that may differ": ("unless on (gateway, version)", "unless on (gateway)"),
    "targets counted once": ("namespace, process)", "namespace, process, endpoint)"),
    "another job taken for ours": ("job!='monitoring/agentgateway-cost'", "job!='tollbook-test-job'"),
    "sums that are not missed": ("agentgateway_cost_catalog_lookups_total", "agentgateway_cost_usd_total"),
    "requests that are not counted": ("server_request_duration_count", "server_request_duration_sum"),
    "usage that is taken for granted": ("* 0.1)", "* 1.1)"),
    "a share that is tolerated": (") > 5)", ") > 100)"),
    "prices that nobody misses": ("offset 1ms)) or vector(0)) < ", "offset 1ms)) or vector(0)) < -"),
    "rules of others": ("rule_group=~'.*;tollbook", "rule_group=~'.*;toolbook"),
    "an alert on many tokens only": ("[59m59s999ms])) > 0", "[59m59s999ms])) > 100000"),
}


# Of versions, names and dollars: what is counted how, by whom, and what the gateway itself counts.
WHO_COUNTS_HOW = """
    gateways: [{name: gw, namespace: ai, version: "1.4"}]
    models:
      - provider: azure
        name: gpt
        prices: [{input: 1, output: 10, cache_read: 0.5, tiers: [{context_over: 200000, input: 2, output: 16}]}]
      - {provider: anthropic, name: claude, prices: [{input: 3, output: 15}]}
    attribution: [{label: team, expression: apiKey.team, limit: 3}]
"""
MUTANTS_OF_WHO_COUNTS_HOW = {
    "a version that begins later": ("1\\\\\\\\.([5-9]|", "1\\\\\\\\.([6-9]|"),
    "a version that begins earlier": ("1\\\\\\\\.([5-9]|", "1\\\\\\\\.([4-9]|"),
    "tags with a v alone": ("tag=~'v?", "tag=~'v"),
    "tags of what is no release": ("[0-9]+'", "[0-9]+.*'"),
    "every tag tells a version": ("tag=~'v?(1\\\\\\\\.([5-9]|", "tag=~'.*|v?(1\\\\\\\\.([5-9]|"),
    "a version's meaning": ("'token_semantics', '1.5'", "'token_semantics', '1.0'"),
    "no meaning of its own": ("{job='monitoring/agentgateway-cost',tag=~", "{job='elsewhere',tag=~"),
    "a meaning that nothing reads": ("token_semantics='1.5'", "token_semantics='1.6'"),
    "a provider's former name": ("'gen_ai_system', 'azure\\\\\\\\.openai'", "'gen_ai_system', 'azure'"),
    "a provider's present name": ("'booked_gen_ai_system', 'azure'", "'booked_gen_ai_system', 'azure2'"),
    "one name more": ("topk by (gateway) (3,", "topk by (gateway) (4,"),
    "one name fewer": ("topk by (gateway) (3,", "topk by (gateway) (2,"),
    "those that use the least": ("topk by (gateway) (3,", "bottomk by (gateway) (3,"),
    "others dropped": (" or on (gateway, team) label", " and on (gateway, team) label"),
    "others under another name": ("'booked_team', 'other'", "'booked_team', 'others'"),
    "nobody competes for a place": ("team!~'unknown|'", "team!~''"),
    "nobody is one of the others": ("seen{team=~'unknown|'}", "seen{team=~'nobody|'}"),
    "a limit that is reached is told": ("> 3", ">= 3"),
    "a limit that is told one later": ("> 3", "> 4"),
    "a share that is told earlier": ("> 10) and", "> 9) and"),
    "a share that is told later": ("> 10) and", "> 11) and"),
    "a share of those with a name": ("increase1m{team=~'unknown|'}", "increase1m{team!~'unknown|'}"),
    "an alert that waits too long": ('"for": "15m"', '"for": "17m"'),
    "an alert that does not wait": ('"for": "15m"', '"for": "14m"'),
    "a threshold too low": ("vector(200000)", "vector(199999)"),
    "a threshold too high": ("vector(200000)", "vector(201000)"),
    "a sum instead of a difference": (
        " - sum by (gateway, gen_ai_system, model) (last_over_time(agentgateway:reported",
        " + sum by (gateway, gen_ai_system, model) (last_over_time(agentgateway:reported",
    ),
    "a threshold's rate": ("vector(16)", "vector(17)"),
    "no longer than the threshold is long": (
        ") > on (gen_ai_system, model) group_left ()",
        ") >= on (gen_ai_system, model) group_left ()",
    ),
    "the prompt's cached tokens": (
        "input|input_cache_read|input_cache_write'}[1ms])) >",
        "input_cache_read|input_cache_write'}[1ms])) >",
    ),
    "a surcharge of everything": (
        " - last_over_time(agentgateway:cost_usd_low:",
        " - 0 * last_over_time(agentgateway:cost_usd_low:",
    ),
    "no surcharge": ("> 0.000000001", "> 1000000"),
    "a surcharge of another type": ('"gen_ai_token_type": "long_context"', '"gen_ai_token_type": "long"'),
    "a surcharge without a bound": (
        " < last_over_time(agentgateway:cost_usd_high:",
        " < 1e9 * last_over_time(agentgateway:cost_usd_high:",
    ),
    "bounds of the base rate": (
        "or (last_over_time(agentgateway:price_high",
        "and (last_over_time(agentgateway:price_high",
    ),
    "the gateway's dollars of another job": (
        "cost_usd_total{job='monitoring/agentgateway-cost'}",
        "cost_usd_total{job='elsewhere'}",
    ),
    "a difference of no size": ("abs(sum by", "-1 * (sum by"),
    "a tolerated share": ("> (0.02 *", "> (2 *"),
}


#: The tests that find them out.
THAT_FIND = (names.RULES_TEST_FILE, "rules-test-versions.yaml")


@cache
def reference(text: str) -> dict[str, str]:
    outputs = pipeline.build(spec_of(text))
    return {names.RULES_FILE: right_rules(text), **{file: outputs[file] for file in THAT_FIND}}


@cache
def right_rules(text: str) -> str:
    """Each expression on one line, so that a mutant need not know how it is laid out; and without weeks and months,
    which nothing reads here and which take long."""
    slow = {names.WEEK_TOTAL, names.WEEK_TO_DATE, names.MONTH_TOTAL, names.MONTH_TO_DATE}
    groups = rules.build(spec_of(text))
    data = rule_groups(groups)
    for group, group_data in zip(groups, data, strict=True):
        for rule, rule_data in zip(group.rules, group_data["rules"], strict=True):
            rule_data["expr"] = str(rule.expr).replace('"', "'")
        group_data["rules"] = [rule for rule in group_data["rules"] if rule.get("record") not in slow]
    return json.dumps({"groups": data})


ALL_MUTANTS = [
    *(pytest.param(REFERENCE, *mutant, id=name) for name, mutant in MUTANTS.items()),
    *(pytest.param(WHO_COUNTS_HOW, *mutant, id=name) for name, mutant in MUTANTS_OF_WHO_COUNTS_HOW.items()),
]


@pytest.mark.parametrize("text", [REFERENCE, WHO_COUNTS_HOW])
def test_the_right_rules_pass(text: str, promtool: Path) -> None:
    assert Promtool(promtool).prove(reference(text)) == []


@pytest.mark.parametrize(("text", "piece", "instead"), ALL_MUTANTS)
def test_wrong_rules_do_not_pass(
    text: str, piece: str, instead: str, promtools: list[tuple[str, Path]], tmp_path: Path
) -> None:
    """On one promtool: that the same tests pass on all of them is seen above."""
    _, promtool = promtools[-1]
    assert piece in right_rules(text), "the rules no longer have this piece"
    (tmp_path / names.RULES_FILE).write_text(right_rules(text).replace(piece, instead))
    for file in THAT_FIND:
        (tmp_path / file).write_text(reference(text)[file])
    problems = [problem.message for problem in Promtool(promtool).run_tests(tmp_path, THAT_FIND)]
    assert problems != []
    assert [problem for problem in problems if "got:" not in problem] == [], "these are no rules at all"

"""The generated tests of the generated rules: they pass for every kind of spec, on every promtool, and they notice when
the rules are wrong."""

from __future__ import annotations

import json
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


def read(name: str, file: str) -> Any:
    return yaml.load(generated(name)[file], Loader=yaml.CSafeLoader)


def files_of(name: str) -> dict[str, Any]:
    return {file: read(name, file) for file in generated(name) if names.is_rules_test_file(file)}


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
OF_HISTORIES = ["rules-test-pasts.yaml", "rules-test-lately.yaml"]
ALWAYS = ["rules-test.yaml", *OTHER_TIMES, "rules-test-windows.yaml", *OF_HISTORIES]


def test_a_spec_without_price_changes_gives_no_files_of_days() -> None:
    assert list(files_of("one gateway, one model, nothing else")) == ALWAYS


def test_each_midnight_at_which_a_price_changes_has_a_file_on_either_side() -> None:
    """In New York winter begins a day at 05:00 UTC, and 30 s later is the last that is seen of the day before."""
    files = files_of("prices that change")
    found = {file: moments(data) for file, data in files.items() if file not in ALWAYS}
    first, second = (datetime(year, 1, 1, 5, 0, 30, tzinfo=UTC) for year in (2025, 2026))
    a_second = timedelta(seconds=1)
    assert found == {
        "rules-test-2025-01-01-before.yaml": {first},
        "rules-test-2025-01-01-after.yaml": {first + a_second},
        "rules-test-2026-01-01-before.yaml": {second},
        "rules-test-2026-01-01-after.yaml": {second + a_second},
    }


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
        text = f"prometheus: {{timezone: {zone}}}\nbudgets: [{{name: all, amount: 50, period: month}}]\n"
        outputs = pipeline.build(spec_of(text + CHANGES.replace("DAY", day)))
        files = [file for file in outputs if names.is_rules_test_file(file) and file != names.RULES_TEST_FILE]
        assert len(files) == 9, "four of the calendar, one of windows, two of pasts, two of the day"
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
    budgets: [{name: daily, amount: 50, period: day, match: {provider: openai}, alert_at: {33.3: info, 100: critical}}]
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
    "nobody is one of the others": ("seen{team=~'unknown|'}", "seen{team=~'nobody|'}"),
    "a threshold too low": ("vector(200000)", "vector(199999)"),
    "a threshold too high": ("vector(200000)", "vector(201000)"),
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
}


#: The tests that find them out.
THAT_FIND = (names.RULES_TEST_FILE,)


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

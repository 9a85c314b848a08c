"""Budgets: what may be spent, what was, and an alert at each threshold, in words for an engineer on call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from promtool_cases import Case, failures, rule_file, unmet
from spec_builders import notation, spec_of

from tollbook.rules import budgets

LIMIT, SPENT = "agentgateway:budget_usd:limit", "agentgateway:budget_usd:spent"
ALERT = "LLMBudgetThresholdReached"
DAY, WEEK, MONTH = (f"agentgateway:cost_usd:{period}_to_date" for period in ("day", "week", "month"))
STEP = "agentgateway:cost_usd_of_day:increase1m"


def budget_rules(text: str) -> str:
    return rule_file(*budgets.build(spec_of(text)))


def spend(record: str, **labels: str) -> str:
    return notation(record, **{"gateway": "ai/gw", "gen_ai_system": "openai", "model": "gpt", **labels})


def both(budget: str, at: str, limit: float, spent: float) -> tuple[tuple[str, str, Mapping[str, float]], ...]:
    label = f'{{budget="{budget}"}}'
    return (
        (f"{LIMIT}{label}", at, {f"{LIMIT}{label}": limit}),
        (f"{SPENT}{label}", at, {f"{SPENT}{label}": spent}),
    )


# ---- What was spent --------------------------------------------------------------------------------------------------


def test_a_budget_that_nothing_was_spent_of_has_its_limit_and_zero(promtool: Path) -> None:
    rules = budget_rules("budgets: [{name: day, usd: 50, period: day}, {name: sliding, usd: 0.000001, period: 24h}]")
    samples = (*both("day", "0m", 50, 0), *both("sliding", "5m", 0.000001, 0))
    assert failures(promtool, Case("nothing", rules, {}, samples)) == {}


def test_calendar_budgets_read_the_dollars_of_their_own_period(promtool: Path) -> None:
    rules = budget_rules("""
        budgets:
          - {name: daily, usd: 50, period: day}
          - {name: weekly, usd: 300, period: week}
          - {name: monthly, usd: 1234.56, period: month}
    """)
    series = {spend(DAY): "3x10", spend(WEEK): "20x10", spend(MONTH): "100x10", spend(MONTH, model="mini"): "7x10"}
    samples = (*both("daily", "3m", 50, 3), *both("weekly", "3m", 300, 20), *both("monthly", "3m", 1234.56, 107))
    assert failures(promtool, Case("periods", rules, series, samples)) == {}


def test_a_rolling_budget_holds_its_window_and_not_a_step_more(promtool: Path) -> None:
    """Five dollars in the first minute. Rolling windows know no midnight: the labels of the day do not matter."""
    rules = budget_rules("budgets: [{name: hour, usd: 9, period: 1h}, {name: minutes, usd: 9, period: 2m}]")
    series = {spend(STEP, day="0"): "_ 5 0x100", spend(STEP, day="1"): "_ _ 2 0x100"}
    samples = (
        *both("minutes", "1m", 9, 5),
        *both("minutes", "2m", 9, 7),
        *both("minutes", "3m", 9, 2),
        *both("hour", "60m", 9, 7),
        *both("hour", "61m", 9, 2),
        *both("hour", "62m", 9, 0),
    )
    assert failures(promtool, Case("rolling", rules, series, samples, scraped_every="1m")) == {}


def test_a_rolling_week_of_hours(promtool: Path) -> None:
    case = Case(
        "a dollar an hour",
        budget_rules("budgets: [{name: week, usd: 9, period: 7d}]"),
        {spend(STEP): "_ 1x300"},
        (*both("week", "100h", 9, 100), *both("week", "168h", 9, 168), *both("week", "200h", 9, 168)),
    )
    assert failures(promtool, replace(case, scraped_every="1h", evaluated_every="1h")) == {}


MATCHING = """
    gateways: [{name: gw, namespace: ai}, {name: other, namespace: ai}]
    models:
      - {provider: openai, name: gpt, prices: [{input: 1, output: 10}]}
      - {provider: azure, name: gpt, prices: [{input: 1, output: 10}]}
      - {provider: azure, name: mini, prices: [{input: 1, output: 10}]}
    attribution: [{label: team, expression: apiKey.team}, {label: agent, expression: request.agent}]
    budgets:
"""
# What the budget matches -> which of the dollars below it counts.
MATCHES = {
    "": 11111,
    "{gateway: ai/gw}": 1011,
    "{gateway: ai/other}": 10100,
    "{provider: azure}": 11100,
    "{model: gpt}": 10111,
    "{provider: openai, model: gpt}": 11,
    "{team: search}": 1101,
    "{team: ads}": 10,
    "{team: search, gateway: ai/gw, provider: openai, model: gpt}": 1,
    "{team: ads, provider: azure}": 0,
    "{agent: crawler}": 10000,
}
DOLLARS = {
    ("ai/gw", "openai", "gpt", "search", ""): 1,
    ("ai/gw", "openai", "gpt", "ads", ""): 10,
    ("ai/other", "azure", "gpt", "search", ""): 100,
    ("ai/gw", "azure", "mini", "search", ""): 1000,
    ("ai/other", "azure", "gpt", "", "crawler"): 10000,
}


@pytest.mark.parametrize(("period", "record"), [("day", DAY), ("month", MONTH), ("1h", STEP)])
def test_a_budget_counts_what_it_matches(period: str, record: str, promtool: Path) -> None:
    listed = [
        f"      - {{name: b{n}, usd: 5, period: {period}{f', match: {match}' if match else ''}}}"
        for n, match in enumerate(MATCHES)
    ]
    series = {}
    for (gateway, provider, model, team, agent), usd in DOLLARS.items():
        series[spend(record, gateway=gateway, gen_ai_system=provider, model=model, team=team, agent=agent)] = f"_ {usd}"
    samples = [sample for n, usd in enumerate(MATCHES.values()) for sample in both(f"b{n}", "1m", 5, usd)]
    case = Case("match", budget_rules(MATCHING + "\n".join(listed)), series, tuple(samples), scraped_every="1m")
    assert failures(promtool, case) == {}


def test_clusters_share_a_budget(promtool: Path) -> None:
    """A kept label tells dollars apart; a budget is the whole company's."""
    rules = budget_rules("prometheus: {keep_labels: [cluster]}\nbudgets: [{name: all, usd: 50, period: day}]")
    series = {spend(DAY, cluster="eu"): "3x10", spend(DAY, cluster="us"): "4x10"}
    assert failures(promtool, Case("clusters", rules, series, both("all", "3m", 50, 7))) == {}


def test_without_budgets_there_is_no_group() -> None:
    assert budgets.build(spec_of()) == ()


# ---- Alerts ----------------------------------------------------------------------------------------------------------


def firing(budget: str, severity: str, threshold: str, description: str, **labels: str) -> dict[str, str]:
    return {
        "budget": budget,
        "severity": severity,
        "threshold": threshold,
        **labels,
        "annotation:summary": "LLM spend has reached a threshold of its budget.",
        "annotation:description": description,
    }


def test_each_threshold_is_silent_just_below_and_fires_when_it_is_reached(promtool: Path) -> None:
    """80 and 100 percent of 50 dollars, and the defaults of the spec: a warning and something critical."""
    text = "Budget platform: {} of 50 USD spent today, at or over {} percent."
    case = Case(
        "thresholds",
        budget_rules("budgets: [{name: platform, usd: 50, period: day, labels: {team: platform}}]"),
        {spend(DAY): "0 39.99 40 49.99 50 50.01 12.5"},
        alerts=(
            (ALERT, "0m", ()),
            (ALERT, "1m", ()),
            (ALERT, "2m", (firing("platform", "warning", "80", text.format("40.00", 80), team="platform"),)),
            (ALERT, "3m", (firing("platform", "warning", "80", text.format("49.99", 80), team="platform"),)),
            (
                ALERT,
                "4m",
                (
                    firing("platform", "warning", "80", text.format("50.00", 80), team="platform"),
                    firing("platform", "critical", "100", text.format("50.00", 100), team="platform"),
                ),
            ),
            (
                ALERT,
                "5m",
                (
                    firing("platform", "warning", "80", text.format("50.01", 80), team="platform"),
                    firing("platform", "critical", "100", text.format("50.01", 100), team="platform"),
                ),
            ),
            (ALERT, "6m", ()),
        ),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


@pytest.mark.parametrize(
    ("period", "words", "record"),
    [
        ("day", "today", DAY),
        ("week", "this week", WEEK),
        ("month", "this month", MONTH),
        ("24h", "in the last 1d", STEP),
        ("90m", "in the last 1h30m", STEP),
    ],
)
def test_the_words_say_which_period_is_meant(period: str, words: str, record: str, promtool: Path) -> None:
    text = f"Budget b: 3.00 of 2.50 USD spent {words}, at or over 100 percent."
    case = Case(
        period,
        budget_rules(f"budgets: [{{name: b, usd: 2.50, period: {period}, alert_at: {{100: info}}}}]"),
        {spend(record): "_ 3"},
        alerts=((ALERT, "0m", ()), (ALERT, "1m", (firing("b", "info", "100", text),))),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


@pytest.mark.parametrize(
    ("usd", "percent", "below", "over"),
    [
        ("10", "33.3", "3.329999", "3.330001"),
        ("0.5", "99.5", "0.497499", "0.497501"),
        ("1234.56", "0.1", "1.234559", "1.234561"),
        ("50", "150", "74.999999", "75.000001"),
        ("0.000001", "50", "0.0000004999", "0.0000005001"),
        ("999999", "99.99", "999899", "999900"),
    ],
)
def test_thresholds_may_have_decimals(usd: str, percent: str, below: str, over: str, promtool: Path) -> None:
    rules = budget_rules(f"budgets: [{{name: b, usd: {usd}, period: day, alert_at: {{{percent}: none}}}}]")
    text = f"Budget b: {float(over):.2f} of {usd} USD spent today, at or over {percent} percent."
    case = Case(
        percent,
        rules,
        {spend(DAY): f"{below} {over}"},
        alerts=((ALERT, "0m", ()), (ALERT, "1m", (firing("b", "none", percent, text),))),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


def test_budgets_do_not_fire_for_each_other(promtool: Path) -> None:
    rules = budget_rules("""
        models:
          - {provider: openai, name: gpt, prices: [{input: 1, output: 10}]}
          - {provider: openai, name: mini, prices: [{input: 1, output: 10}]}
        budgets:
          - {name: gpt, usd: 10, period: day, match: {model: gpt}, alert_at: {100: critical}}
          - {name: mini, usd: 10, period: day, match: {model: mini}, alert_at: {100: critical}}
    """)
    text = "Budget gpt: 10.00 of 10 USD spent today, at or over 100 percent."
    alerts = ((ALERT, "1m", (firing("gpt", "critical", "100", text),)),)
    case = Case("two", rules, {spend(DAY): "10x5", spend(DAY, model="mini"): "9.9x5"}, alerts=alerts)
    assert failures(promtool, case) == {}


def test_a_wrong_sum_a_wrong_limit_and_a_wrong_comparison_are_noticed(promtool: Path) -> None:
    right = budget_rules("budgets: [{name: b, usd: 50, period: day, alert_at: {80: warning}}]")
    text = "Budget b: 40.00 of 50 USD spent today, at or over 80 percent."
    case = Case(
        "right",
        right,
        {spend(DAY): "39.99 40"},
        both("b", "1m", 50, 40),
        ((ALERT, "0m", ()), (ALERT, "1m", (firing("b", "warning", "80", text),))),
        scraped_every="1m",
    )
    wrongs = {"vector(50)": "vector(49)", ">=": ">", "0.8": "0.79", "day_to_date": "week_to_date"}
    mutants = [replace(case, name=piece, rules=right.replace(piece, wrong)) for piece, wrong in wrongs.items()]
    assert failures(promtool, case) == {}
    assert unmet(promtool, *mutants) == set(wrongs)

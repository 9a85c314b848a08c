"""Budgets: what may be spent, what was, and an alert at each threshold, in words for an engineer on call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from promtool_cases import NOTHING, Case, Samples, failures, rule_file, unmet
from spec_builders import notation, spec_of

from tollbook.gen import promql
from tollbook.rules import budgets

LIMIT, SPENT = "agentgateway:budget_usd:limit", "agentgateway:budget_usd:spent"
ALERT = "LLMBudgetThresholdReached"
DAY, WEEK, MONTH = (f"agentgateway:cost_usd_of_{period}:{period}_to_date" for period in ("day", "week", "month"))
STEP = "agentgateway:cost_usd_of_day:increase1m"
#: The same dollars of a whole gateway in one series, which rolling windows read wherever they need no more.
FLEET = "agentgateway:gateway_cost_usd:increase1m"
#: What the calendar records on promtool's first day, from its second minute on; and which of it stands on each record.
CLOCK = 'agentgateway:calendar:now{day="0",week="0",month="1"}'
TODAY = {"day": "0", "week": "0", "month": "1"}
PERIODS = {DAY: TODAY, WEEK: {"week": "0"}, MONTH: {"month": "1"}, STEP: TODAY}


def budget_rules(text: str) -> str:
    return rule_file(*budgets.build(spec_of(text)))


def spend(record: str, **labels: str) -> str:
    own = {"gateway": "ai/gw", "gen_ai_system": "openai", "model": "gpt"}
    return notation(record, **{**own, **PERIODS[record], **labels})


def fleet(**labels: str) -> str:
    return notation(FLEET, **{"gateway": "ai/gw", **labels})


def both(budget: str, at: str, limit: float, spent: float) -> tuple[tuple[str, str, Mapping[str, float]], ...]:
    label = f'{{budget="{budget}"}}'
    return (
        (f"{LIMIT}{label}", at, {f"{LIMIT}{label}": limit}),
        (f"{SPENT}{label}", at, {f"{SPENT}{label}": spent}),
    )


# ---- What was spent --------------------------------------------------------------------------------------------------


def test_a_budget_that_nothing_was_spent_of_has_its_limit_and_zero(promtool: Path) -> None:
    rules = budget_rules(
        "budgets: [{name: day, amount: 50, period: day}, {name: sliding, amount: 0.000001, period: 24h}]"
    )
    samples = (*both("day", "1m", 50, 0), *both("sliding", "5m", 0.000001, 0))
    assert failures(promtool, Case("nothing", rules, {CLOCK: "1x20"}, samples)) == {}


def test_calendar_budgets_read_the_dollars_of_their_own_period(promtool: Path) -> None:
    rules = budget_rules("""
        budgets:
          - {name: daily, amount: 50, period: day}
          - {name: weekly, amount: 300, period: week}
          - {name: monthly, amount: 1234.56, period: month}
    """)
    series = {spend(DAY): "3x10", spend(WEEK): "20x10", spend(MONTH): "100x10", spend(MONTH, model="mini"): "7x10"}
    samples = (*both("daily", "3m", 50, 3), *both("weekly", "3m", 300, 20), *both("monthly", "3m", 1234.56, 107))
    assert failures(promtool, Case("periods", rules, series, samples)) == {}


def test_the_dollars_of_another_period_are_not_this_one_s(promtool: Path) -> None:
    """Of yesterday, last week and last month, as they stand when a period turns or Prometheus was away."""
    rules = budget_rules("""
        budgets:
          - {name: daily, amount: 50, period: day}
          - {name: weekly, amount: 300, period: week}
          - {name: monthly, amount: 900, period: month}
    """)
    series = {
        CLOCK: "1x20",
        spend(DAY, day="-1", month="12"): "3x10",
        spend(WEEK, week="-1"): "20x10",
        spend(MONTH, month="12"): "100x10",
    }
    samples = (*both("daily", "3m", 50, 0), *both("weekly", "3m", 300, 0), *both("monthly", "3m", 900, 0))
    assert failures(promtool, Case("turned", rules, series, samples)) == {}


def test_the_last_total_is_known_for_an_hour_and_nothing_is_said_after(promtool: Path) -> None:
    """Rather than zero: an outage of rules may not let a budget look unspent."""
    rules = budget_rules("budgets: [{name: b, amount: 50, period: day}]")
    limit_of, spent_of = (f'{record}{{budget="b"}}' for record in (LIMIT, SPENT))
    clock = {CLOCK: "1x5 stale"}
    series = {**clock, spend(DAY): "_ 40 stale", spend(DAY, model="mini"): "_ _ 2 stale"}
    known = {"1m": 40, "2m": 42, "60m": 42}
    samples: list[tuple[str, str, Samples]] = [(spent_of, at, {spent_of: usd}) for at, usd in known.items()]
    samples += [(spent_of, "63m", NOTHING), (limit_of, "63m", {limit_of: 50})]
    assert failures(promtool, Case("blind", rules, series, tuple(samples), scraped_every="1m")) == {}


def test_a_rolling_budget_holds_its_window_and_not_a_step_more(promtool: Path) -> None:
    """Five dollars in the first minute."""
    rules = budget_rules("budgets: [{name: hour, amount: 9, period: 1h}, {name: minutes, amount: 9, period: 2m}]")
    series = {fleet(cluster="eu"): "_ 5 0x100", fleet(cluster="us"): "_ _ 2 0x100"}
    samples = (
        *both("minutes", "1m", 9, 5),
        *both("minutes", "2m", 9, 7),
        *both("minutes", "3m", 9, 2),
        *both("hour", "60m", 9, 7),
        *both("hour", "61m", 9, 2),
        *both("hour", "62m", 9, 0),
    )
    assert failures(promtool, Case("rolling", rules, series, samples, scraped_every="1m")) == {}


def test_a_rolling_budget_knows_no_midnight(promtool: Path) -> None:
    rules = budget_rules("budgets: [{name: hour, amount: 9, period: 1h, match: {model: gpt}}]")
    series = {spend(STEP, day="0"): "_ 5 0x100", spend(STEP, day="1"): "_ _ 2 0x100"}
    samples = (*both("hour", "60m", 9, 7), *both("hour", "61m", 9, 2), *both("hour", "62m", 9, 0))
    assert failures(promtool, Case("midnight", rules, series, samples, scraped_every="1m")) == {}


def test_a_rolling_week_of_hours(promtool: Path) -> None:
    case = Case(
        "a dollar an hour",
        budget_rules("budgets: [{name: week, amount: 9, period: 7d}]"),
        {fleet(): "_ 1x300"},
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
        f"      - {{name: b{n}, amount: 5, period: {period}{f', match: {match}' if match else ''}}}"
        for n, match in enumerate(MATCHES)
    ]
    series = {CLOCK: "1x9"}
    for (gateway, provider, model, team, agent), usd in DOLLARS.items():
        series[spend(record, gateway=gateway, gen_ai_system=provider, model=model, team=team, agent=agent)] = f"_ {usd}"
        series[fleet(gateway=gateway, cluster=f"{provider} {model} {team}")] = f"_ {usd}"
    samples = [sample for n, usd in enumerate(MATCHES.values()) for sample in both(f"b{n}", "1m", 5, usd)]
    case = Case("match", budget_rules(MATCHING + "\n".join(listed)), series, tuple(samples), scraped_every="1m")
    assert failures(promtool, case) == {}


def test_clusters_share_a_budget(promtool: Path) -> None:
    """A kept label tells dollars apart; a budget is the whole company's."""
    rules = budget_rules("prometheus: {keep_labels: [cluster]}\nbudgets: [{name: all, amount: 50, period: day}]")
    series = {spend(DAY, cluster="eu"): "3x10", spend(DAY, cluster="us"): "4x10"}
    assert failures(promtool, Case("clusters", rules, series, both("all", "3m", 50, 7))) == {}


def test_without_budgets_there_is_no_group() -> None:
    assert budgets.build(spec_of()) == ()


# ---- Alerts ----------------------------------------------------------------------------------------------------------


WHAT_TO_DO = (
    "If this is not meant, stop or limit those who spend; if it is, raise usd in the spec. Top spenders:"
    "\n- {} USD: gateway ai/gw, provider openai, model {}"
)


def reached(spent: str, usd: str, words: str, percent: str, budget: str = "b", model: str = "gpt") -> str:
    """What is said where one alone has spent."""
    head = f"Budget {budget}: {spent} of {usd} USD spent {words}, at or over {percent} percent."
    return f"{head} {WHAT_TO_DO.format(spent, model)}"


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

    def of_platform(spent: str, percent: str) -> str:
        return reached(spent, "50", "today", percent, budget="platform")

    case = Case(
        "thresholds",
        budget_rules("budgets: [{name: platform, amount: 50, period: day, labels: {team: platform}}]"),
        {spend(DAY): "0 39.99 40 49.99 50 50.01 12.5"},
        alerts=(
            (ALERT, "0m", ()),
            (ALERT, "1m", ()),
            (ALERT, "2m", (firing("platform", "warning", "80", of_platform("40.00", "80"), team="platform"),)),
            (ALERT, "3m", (firing("platform", "warning", "80", of_platform("49.99", "80"), team="platform"),)),
            (
                ALERT,
                "4m",
                (
                    firing("platform", "warning", "80", of_platform("50.00", "80"), team="platform"),
                    firing("platform", "critical", "100", of_platform("50.00", "100"), team="platform"),
                ),
            ),
            (
                ALERT,
                "5m",
                (
                    firing("platform", "warning", "80", of_platform("50.01", "80"), team="platform"),
                    firing("platform", "critical", "100", of_platform("50.01", "100"), team="platform"),
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
    text = reached("3.00", "2.50", words, "100")
    case = Case(
        period,
        budget_rules(f"budgets: [{{name: b, amount: 2.50, period: {period}, alert_at: {{100: info}}}}]"),
        {spend(record): "_ 3", fleet(): "_ 3"},
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
    rules = budget_rules(f"budgets: [{{name: b, amount: {usd}, period: day, alert_at: {{{percent}: none}}}}]")
    text = reached(f"{float(over):.2f}", usd, "today", percent)
    case = Case(
        percent,
        rules,
        {spend(DAY): f"_ {below} {over}"},
        alerts=((ALERT, "1m", ()), (ALERT, "2m", (firing("b", "none", percent, text),))),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}


def test_budgets_do_not_fire_for_each_other(promtool: Path) -> None:
    rules = budget_rules("""
        models:
          - {provider: openai, name: gpt, prices: [{input: 1, output: 10}]}
          - {provider: openai, name: mini, prices: [{input: 1, output: 10}]}
        budgets:
          - {name: gpt, amount: 10, period: day, match: {model: gpt}, alert_at: {100: critical}}
          - {name: mini, amount: 10, period: day, match: {model: mini}, alert_at: {100: critical}}
    """)
    text = reached("10.00", "10", "today", "100", budget="gpt")
    alerts = ((ALERT, "1m", (firing("gpt", "critical", "100", text),)),)
    case = Case("two", rules, {spend(DAY): "10x5", spend(DAY, model="mini"): "9.9x5"}, alerts=alerts)
    assert failures(promtool, case) == {}


def test_a_wrong_sum_a_wrong_limit_and_a_wrong_comparison_are_noticed(promtool: Path) -> None:
    right = budget_rules("budgets: [{name: b, amount: 50, period: day, alert_at: {80: warning}}]")
    text = reached("40.00", "50", "today", "80")
    case = Case(
        "right",
        right,
        {spend(DAY): "_ 39.99 40", spend(WEEK): "_ 4 4"},
        both("b", "2m", 50, 40),
        ((ALERT, "1m", ()), (ALERT, "2m", (firing("b", "warning", "80", text),))),
        scraped_every="1m",
    )
    wrongs = {"vector(50)": "vector(49)", ">=": ">", "0.8": "0.79", "day:day_to_date": "week:week_to_date"}
    mutants = [replace(case, name=piece, rules=right.replace(piece, wrong)) for piece, wrong in wrongs.items()]
    assert failures(promtool, case) == {}
    assert unmet(promtool, *mutants) == set(wrongs)


# ---- Who spends ------------------------------------------------------------------------------------------------------


SPENDERS = """
    attribution: [{label: team, expression: apiKey.team}, {label: agent, expression: request.agent}]
    prometheus: {keep_labels: [cluster]}
    budgets:
"""
BY_TEAM = {"search": 4, "ads": 7, "shop": 2.5, "idle": 0, "": 1}


@pytest.mark.parametrize(
    ("period", "record", "words"),
    [("month", MONTH, "this month"), ("24h", STEP, "in the last 1d")],
    ids=["month", "24h"],
)
def test_the_text_lists_the_three_who_spent_most(period: str, record: str, words: str, promtool: Path) -> None:
    """The dearest first; clusters together; a label that is empty is not spoken of."""
    series = {spend(record, team=team, cluster="eu"): f"_ {usd}" for team, usd in BY_TEAM.items()}
    series[spend(record, team="search", cluster="us")] = "_ 4.25"
    series[spend(record, team="search", agent="crawler", cluster="us")] = "_ 0"
    series[fleet()] = "_ 18.75"
    text = (
        f"Budget b: 18.75 of 10 USD spent {words}, at or over 100 percent. If this is not meant, stop or limit those "
        "who spend; if it is, raise usd in the spec. Top spenders:"
        "\n- 8.25 USD: gateway ai/gw, provider openai, model gpt, team search"
        "\n- 7.00 USD: gateway ai/gw, provider openai, model gpt, team ads"
        "\n- 2.50 USD: gateway ai/gw, provider openai, model gpt, team shop"
    )
    budget = f"      - {{name: b, amount: 10, period: {period}, alert_at: {{100: info}}}}"
    alerts = ((ALERT, "1m", (firing("b", "info", "100", text),)),)
    case = Case("spenders", budget_rules(SPENDERS + budget), series, alerts=alerts, scraped_every="1m")
    assert failures(promtool, case) == {}


def test_nobody_is_listed_who_spent_nothing_or_of_another_budget(promtool: Path) -> None:
    series = {spend(DAY, team=team): f"_ {usd}" for team, usd in BY_TEAM.items()}
    text = reached("7.00", "5", "today", "100") + ", team ads"
    budget = "      - {name: b, amount: 5, period: day, match: {team: ads}, alert_at: {100: info}}"
    alerts = ((ALERT, "1m", (firing("b", "info", "100", text),)),)
    case = Case("spenders", budget_rules(SPENDERS + budget), series, alerts=alerts, scraped_every="1m")
    assert failures(promtool, case) == {}


#: As values of a label that a budget matches: what ends texts, templates and selectors, and what stands for others.
HOSTILE = (
    *('"', "'", "`", "\\", "\\\\", '\\"', "\\n", "{{", "}}", "{{ end }}", "{{ $value }}", "{{/* */}}", "$", "${x}"),
    *("%s", ".*", "a|b", "{}", "}", '"}) or vector(1) #', "\N{SNOWMAN}", "\N{GRINNING FACE}", "{{-", "-}}", '" }}{{ "'),
)


def test_no_name_breaks_out_of_the_query_in_a_text(promtool: Path) -> None:
    """All at once, each budget of one team: a query that meant another one would list another amount."""
    quoted = [json.dumps(name, ensure_ascii=False) for name in HOSTILE]
    listed = [
        f"      - {{name: b{n}, amount: 1, period: day, match: {{team: {name}}}, alert_at: {{100: info}}}}"
        for n, name in enumerate(quoted)
    ]
    series, fired = {}, []
    for n, name in enumerate(HOSTILE):
        text = f"{reached(f'{n + 1}.00', '1', 'today', '100', f'b{n}')}, team {name}"
        series[spend(DAY).replace("}", f",team={promql.quote(name)}}}")] = f"_ {n + 1}"
        fired.append(firing(f"b{n}", "info", "100", text))
    case = Case(
        "hostile",
        budget_rules(SPENDERS + "\n".join(listed)),
        series,
        alerts=((ALERT, "1m", tuple(fired)),),
        scraped_every="1m",
    )
    assert failures(promtool, case) == {}

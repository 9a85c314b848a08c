"""Under which names spending is summed: whatever the names and their number, each token is counted exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from promtool_cases import Case, failures, money_rules, unmet
from spec_builders import counter, notation, spec_of, up, usd_counter

TOKENS = "agentgateway:tokens:increase1m"
COST = "agentgateway:cost_usd:increase1m"
REPORTED = "agentgateway:reported_usd:increase1m"
ALWAYS = "1x20"


def limited(limit: int, more: str = "") -> str:
    return f"attribution: [{{label: team, expression: apiKey.team, limit: {limit}}}]\n{more}"


def used_by_team(team: str, tokens: int, pod: str = "pod", **labels: str) -> dict[str, str]:
    """One request; `team` may be nothing at all."""
    return {counter("output", pod, team=team, **labels): f"_x5 {tokens}x20"}


def teams(**tokens: int) -> dict[str, str]:
    return {name: text for team, used in tokens.items() for name, text in used_by_team(team, used).items()}


def by_team(metric: str, figures: Mapping[str, int], *more: str) -> tuple[str, str, dict[str, int]]:
    """Every sample there is of a metric, by team and these labels."""
    labels = ", ".join(("team", *more))
    return f"sum by ({labels}) (sum_over_time({metric}[1h]))", "9m", dict(figures)


def of(team: str) -> str:
    return f'{{team="{team}"}}' if team else "{}"


# ---- More values than the limit ----------------------------------------------------------------------------------

# Name -> the limit, what each team used, what is shown.
BEYOND = {
    "as many as the limit": (3, {"a": 5, "b": 4, "c": 3}, {"a": 5, "b": 4, "c": 3}),
    "one more": (3, {"a": 5, "b": 4, "c": 3, "d": 2}, {"a": 5, "b": 4, "c": 3, "other": 2}),
    "one alone": (1, {"a": 5, "b": 40, "c": 3}, {"b": 40, "other": 8}),
    "nobody takes no place": (1, {"a": 5, "b": 4, "unknown": 9, "": 8}, {"a": 5, "other": 4, "unknown": 9, "": 8}),
    "nobody alone": (1, {"unknown": 9, "": 8}, {"unknown": 9, "": 8}),
    "a team that calls itself other, and has a place": (2, {"a": 5, "other": 6, "b": 1, "c": 2}, {"a": 5, "other": 9}),
    "a team that calls itself other, and has none": (1, {"a": 5, "other": 2, "b": 1}, {"a": 5, "other": 3}),
    "names that regexes and replacements read": (
        2,
        {"a|b": 5, "$1": 6, "a.*": 1, "unknown|": 2},
        {"a|b": 5, "$1": 6, "other": 3},
    ),
    "a name that begins like nobody's is a name": (1, {"unknown-x": 5, "unknown": 3}, {"unknown-x": 5, "unknown": 3}),
}


@pytest.mark.parametrize("name", BEYOND)
def test_the_largest_are_kept_apart_and_the_others_summed(name: str, promtool: Path) -> None:
    limit, used, shown = BEYOND[name]
    figures = {of(team): tokens for team, tokens in shown.items()}
    usd = {team: tokens * 10_000 for team, tokens in figures.items()}
    billionths = f"round(sum by (team) (sum_over_time({COST}[1h])) * 1000000000)"
    case = Case(
        name,
        money_rules(spec_of(limited(limit))),
        {up(): ALWAYS, **teams(**used)},
        (by_team(TOKENS, figures), (billionths, "9m", usd)),
    )
    assert failures(promtool, case) == {}


def test_among_equals_as_many_as_the_limit_keep_their_names(promtool: Path) -> None:
    """Which ones does not matter, but neither is anything lost nor is anybody's share doubled."""
    rules = money_rules(spec_of(limited(2)))
    total = f"sum(sum_over_time({TOKENS}[1h]))"
    counted = f'count(sum by (team) (sum_over_time({TOKENS}{{team!="other"}}[1h])))'
    rest = f'sum(sum_over_time({TOKENS}{{team="other"}}[1h]))'
    series = {up(): ALWAYS, **teams(a=7, b=7, c=7, d=7, e=7)}
    case = Case("ties", rules, series, ((total, "9m", {"": 35}), (counted, "9m", {"": 2}), (rest, "9m", {"": 21})))
    assert failures(promtool, case) == {}


def test_who_is_named_by_a_budget_is_never_summed_with_others(promtool: Path) -> None:
    """Whoever uses more: by match and by override alike, and they take nobody's place."""
    budgets = """
budgets:
  - {name: interns, amount: 1, period: day, match: {team: [interns, "a*"]}}
  - {name: each, amount: 1, period: day, per: team, overrides: {lab: 2}}
"""
    series = {up(): ALWAYS, **teams(a=50, b=40, c=30, interns=2, lab=1)}
    shown = {of("a"): 50, of("interns"): 2, of("lab"): 1, of("other"): 70}
    case = Case("named", money_rules(spec_of(limited(1, budgets))), series, (by_team(TOKENS, shown),))
    assert failures(promtool, case) == {}


def test_another_limit_shows_other_names(promtool: Path) -> None:
    _, used, shown = BEYOND["one more"]
    figures = {of(team): tokens for team, tokens in shown.items()}
    rules = money_rules(spec_of(limited(4)))
    case = Case("a limit of four", rules, {up(): ALWAYS, **teams(**used)}, (by_team(TOKENS, figures),))
    assert unmet(promtool, case) == {case.name}


def test_a_place_goes_by_all_that_a_value_used_on_all_pods_and_models(promtool: Path) -> None:
    """Team b used more than a, though no series of its own is larger."""
    series = {
        up("one"): ALWAYS,
        up("two"): ALWAYS,
        **used_by_team("a", 10, "one"),
        **used_by_team("b", 6, "one"),
        **used_by_team("b", 6, "two", gen_ai_response_model="unlisted", gen_ai_request_model="unlisted"),
    }
    shown = {of("b"): 12, of("other"): 10}
    case = Case("all pods", money_rules(spec_of(limited(1))), series, (by_team(TOKENS, shown),))
    assert failures(promtool, case) == {}


def test_the_last_increments_of_a_pod_that_ended_are_shown_like_any_other(promtool: Path) -> None:
    """Within the step in which a pod ends nobody else has its team; nothing of it may be dropped."""
    series = {
        up("stays"): ALWAYS,
        up("ends"): "1x8 stale",
        counter("output", "stays", team="a"): "_x3 5x20",
        counter("output", "ends", team="b"): "_x3 100x4 700 stale",
        counter("output", "ends", team="c"): "_x3 10x4 60 stale",
        counter("output", "ends", team="unknown"): "_x8 3 stale",
    }
    # Team a, idle since, has the place that b has left.
    shown = {of("b"): 700, of("other"): 65, of("unknown"): 3, of("a"): 0}
    case = Case("an end", money_rules(spec_of(limited(1))), series, (by_team(TOKENS, shown),))
    assert failures(promtool, case) == {}


def test_whoever_grows_takes_a_place_from_then_on_and_nothing_is_billed_twice(promtool: Path) -> None:
    series = {
        up(): ALWAYS,
        counter("output", team="a"): "_x3 100x20",
        counter("output", team="b"): "_x3 90x4 300x20",  # at the scrape of 4m
    }
    minutes = {"4m": {of("a"): 0, of("other"): 0}, "5m": {of("b"): 210, of("other"): 0}}
    samples = tuple((f"sum by (team) ({TOKENS})", at, shown) for at, shown in minutes.items())
    total = by_team(TOKENS, {of("a"): 100, of("b"): 210, of("other"): 90})
    case = Case("growth", money_rules(spec_of(limited(1))), series, (*samples, total))
    assert failures(promtool, case) == {}


def test_each_label_has_a_limit_of_its_own(promtool: Path) -> None:
    spec = spec_of("""
        attribution:
          - {label: team, expression: apiKey.team, limit: 1}
          - {label: agent, expression: request.agent, limit: 2}
    """)
    series = {up(): ALWAYS}
    for team, agent, tokens in (("a", "x", 50), ("a", "y", 20), ("b", "x", 5), ("b", "z", 3), ("c", "", 1)):
        series[counter("output", team=team, agent=agent)] = f"_x5 {tokens}x20"
    shown = {
        '{team="a",agent="x"}': 50,
        '{team="a",agent="y"}': 20,
        '{team="other",agent="x"}': 5,
        '{team="other",agent="other"}': 3,
        '{team="other"}': 1,
    }
    case = Case("two labels", money_rules(spec), series, (by_team(TOKENS, shown, "agent"),))
    assert failures(promtool, case) == {}


def test_each_cluster_has_the_limit_for_itself(promtool: Path) -> None:
    """As the alert on the limit counts: of two clusters with two teams each, none has more than two."""
    clusters = "prometheus: {keep_labels: [cluster]}"
    series = {up(cluster="eu"): ALWAYS, up(cluster="us"): ALWAYS}
    for cluster, team, tokens in (("eu", "a", 500), ("eu", "b", 400), ("us", "c", 3), ("us", "d", 2), ("us", "a", 1)):
        series |= used_by_team(team, tokens, cluster=cluster)
    shown = {
        '{team="a",cluster="eu"}': 500,
        '{team="b",cluster="eu"}': 400,
        '{team="c",cluster="us"}': 3,
        '{team="d",cluster="us"}': 2,
        '{team="other",cluster="us"}': 1,
    }
    case = Case("clusters", money_rules(spec_of(limited(2, clusters))), series, (by_team(TOKENS, shown, "cluster"),))
    assert failures(promtool, case) == {}


def test_each_gateway_has_the_limit_for_itself(promtool: Path) -> None:
    gateways = (
        "gateways:\n"
        "  - {name: gw, namespace: ai, monitor: none, job: proxies}\n"
        "  - {name: other, namespace: ai, monitor: none, job: proxies}\n"
    )
    series = {up(job="proxies"): ALWAYS}
    for gateway, team, tokens in (("gw", "a", 500), ("gw", "b", 40), ("other", "b", 3), ("other", "c", 2)):
        series |= used_by_team(team, tokens, job="proxies", gateway=f"ai/{gateway}")
    shown = {
        '{team="a",gateway="ai/gw"}': 500,
        '{team="other",gateway="ai/gw"}': 40,
        '{team="b",gateway="ai/other"}': 3,
        '{team="other",gateway="ai/other"}': 2,
    }
    case = Case("gateways", money_rules(spec_of(limited(1, gateways))), series, (by_team(TOKENS, shown, "gateway"),))
    assert failures(promtool, case) == {}


def test_the_gateway_s_dollars_are_shown_under_the_places_that_tokens_give(promtool: Path) -> None:
    """Also those of a value that only the dollars have: it has no tokens, so it has no place, and is not lost."""
    series = {up(): ALWAYS, **teams(a=5, b=9, unknown=1)}
    for team, usd in (("a", "0.5"), ("b", "0.25"), ("c", "0.125"), ("unknown", "2"), ("", "4")):
        series[usd_counter(team=team)] = f"_x5 {usd}x20"
    shown = {of("b"): 250, of("other"): 625, of("unknown"): 2000, "{}": 4000}
    thousandths = f"sum by (team) (sum_over_time({REPORTED}[1h])) * 1000"
    case = Case("dollars", money_rules(spec_of(limited(1))), series, ((thousandths, "9m", shown),))
    assert failures(promtool, case) == {}


# ---- A provider's former name --------------------------------------------------------------------------------------

AZURE = """
    models:
      - {provider: azure, name: gpt, prices: [{input: 1, output: 30}]}
      - {provider: openai, name: gpt, prices: [{input: 1, output: 10}]}
"""


@pytest.mark.parametrize("stated", ["azure", "azure.openai"])
def test_a_provider_s_two_names_are_one(stated: str, promtool: Path) -> None:
    """Both names at once, on one pod and on two, as during an upgrade; and under one label only."""
    spec = spec_of(AZURE.replace("provider: azure", f"provider: {stated}"))
    series = {
        up("old"): ALWAYS,
        up("new"): ALWAYS,
        counter("output", "old", gen_ai_system="azure.openai"): "_x5 100x20",
        counter("output", "new", gen_ai_system="azure"): "_x5 20x20",
        counter("output", "new", gen_ai_system="azure.openai"): "_x5 3x20",
        counter("output", "new", gen_ai_system="openai"): "_x5 7x20",
        counter("output", "new", gen_ai_system="azurexopenai"): "_x5 1x20",
        usd_counter("old", gen_ai_system="azure.openai"): "_x5 0.5x20",
        usd_counter("new", gen_ai_system="azure"): "_x5 0.25x20",
    }
    cell = {"gateway": "ai/gw", "gen_ai_system": "azure", "model": "gpt"}
    azure, openai = (notation("", **{**cell, "gen_ai_system": name}) for name in ("azure", "openai"))
    by = "gateway, gen_ai_system, model"
    case = Case(
        stated,
        money_rules(spec),
        series,
        (
            (
                f'sum by ({by}) (sum_over_time({TOKENS}{{gen_ai_system!="azurexopenai"}}[1h]))',
                "9m",
                {azure: 123, openai: 7},
            ),
            (
                f"round(sum by ({by}) (sum_over_time({COST}[1h])) * 1000000000)",
                "9m",
                {azure: 3_690_000, openai: 70_000},
            ),
            (f"sum_over_time({REPORTED}[1h])", "9m", {azure: 0.75}),
            ("count(sum_over_time(agentgateway:unpriced_tokens:increase1m[1h]))", "9m", {"": 1}),
        ),
    )
    assert failures(promtool, case) == {}


def test_a_former_name_that_nobody_has_in_the_spec_stays_as_it_is_shown(promtool: Path) -> None:
    series = {up(): ALWAYS, counter("output", gen_ai_system="azure.openai"): "_x5 100x20"}
    samples = (
        (f"sum by (gen_ai_system) (sum_over_time({TOKENS}[1h]))", "9m", {'{gen_ai_system="azure.openai"}': 100}),
    )
    assert failures(promtool, Case("unlisted", money_rules(spec_of()), series, samples)) == {}

"""LLM requests go through the ledger as tokens do: each once, a series' first one too, and under the models' names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import product
from pathlib import Path

from promtool_cases import Case, failures, money_rules
from spec_builders import counter, notation, request_counter, spec_of, up

from tollbook.gen.oracle import Request, shown_model

REQUESTS = "agentgateway:requests:increase1m"
TOKENS = "agentgateway:tokens:increase1m"
WATCHED = "1x90"


def all_of(record: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) (sum_over_time({record}[2h]))"


# ---- How often each request is counted -----------------------------------------------------------------------------
# Name -> what is to be counted, and the series.

LIVES: dict[str, tuple[int, Mapping[str, str]]] = {
    "a birth on a watched pod: the first request is one, too": (1, {up(): WATCHED, request_counter(): "_x10 1x60"}),
    "a counter that rises": (9, {up(): WATCHED, request_counter(): "_x4 2x9 7x9 9x60"}),
    "a counter that falls": (9, {up(): WATCHED, request_counter(): "_x4 7x9 2x60"}),
    "a process that restarts": (8 + 9, {up(): WATCHED, request_counter(): "_x4 7x9 8 stale 9x60"}),
    "the past of a pod that was there first": (2, {up(): WATCHED, request_counter(): "12345x9 12347x60"}),
    "an outage": (12, {up(): "1x14 _x9 1x60", request_counter(): "_x4 5x10 _x9 12x60"}),
    "a pod that joins": (3, {up("old"): WATCHED, up("new"): "_x45 1x40", request_counter("new"): "_x45 3x40"}),
    "a pod that ends": (64, {up(): "1x20 stale", request_counter(): "_x5 10x14 64 stale"}),
    "two routes of one model": (
        31,
        {up(): WATCHED, request_counter(route="a"): "_x5 30x60", request_counter(route="b"): "_x6 1x60"},
    ),
    "another job on the same pod": (
        1,
        {up(): WATCHED, request_counter(): "_x5 1x60", request_counter(job="chart"): "_x5 1x60"},
    ),
}


def test_each_request_is_counted_once(promtool: Path) -> None:
    rules = money_rules(spec_of())
    cases = [
        Case(name, rules, series, ((all_of(REQUESTS), "35m", {"": count}),)) for name, (count, series) in LIVES.items()
    ]
    assert failures(promtool, *cases) == {}


def test_a_request_of_many_types_of_token_is_one(promtool: Path) -> None:
    """And one that reported none at all, because it failed, is one too: under the name that was asked for."""
    series = {
        up(): WATCHED,
        request_counter(): "_x5 2x60",
        request_counter(gen_ai_response_model="unknown"): "_x5 1x60",
    }
    for token_type in ("input", "output", "input_cache_read"):
        series[counter(token_type)] = "_x5 1000x60"
    expected = {notation("", gateway="ai/gw", gen_ai_system="openai", model="gpt"): 3}
    case = Case("types", money_rules(spec_of()), series, ((f"sum_over_time({REQUESTS}[1h])", "9m", expected),))
    assert failures(promtool, case) == {}


def test_every_version_counts_its_requests(promtool: Path) -> None:
    """The oldest has neither dollars nor look-ups."""
    series = {up(): WATCHED, request_counter(): "_x5 1x60"}
    cases = [
        Case(
            version,
            money_rules(spec_of(f'gateways: [{{name: gw, namespace: ai, version: "{version}"}}]')),
            series,
            ((all_of(REQUESTS), "9m", {"": 1}),),
        )
        for version in ("0.10", "1.5")
    ]
    assert failures(promtool, *cases) == {}


# ---- Under which names ---------------------------------------------------------------------------------------------

MODELS = """
models:
  - {provider: openai, name: gpt, aliases: [gpt-2024], prices: [{input: 1, output: 10}]}
  - {provider: openai, name: mini, prices: [{input: 1, output: 10}]}
  - {provider: azure, name: gpt, prices: [{input: 1, output: 10}]}
"""

#: Provider, request model, response model -> the model that a request of these names is.
NAMES = {
    ("openai", "gpt-2024", "unknown"): "gpt",
    ("openai", "gpt", "gpt-0731"): "gpt",
    ("openai", "gpt", "mini"): "mini",
    ("openai", "new", "new-2027"): "new-2027",
    ("openai", "newer", "unknown"): "newer",
    ("openai", "unknown", "unknown"): "unknown",
    ("azure.openai", "gpt", "gpt"): "gpt",
    ("ollama", "gpt", "gpt"): "gpt",
}


def labelled(provider: str, asked: str, answered: str) -> dict[str, str]:
    return {"gen_ai_system": provider, "gen_ai_request_model": asked, "gen_ai_response_model": answered}


def test_requests_have_the_names_that_tokens_have_and_none_is_lost(promtool: Path) -> None:
    series, expected = {up(): WATCHED}, Counter[str]()
    for number, ((provider, asked, answered), model) in enumerate(NAMES.items()):
        series[request_counter(**labelled(provider, asked, answered))] = f"_x5 {2**number}x60"
        named = {"gen_ai_system": provider.removesuffix(".openai"), "model": model}
        expected[notation("", gateway="ai/gw", **named)] += 2**number
    samples = ((f"sum_over_time({REQUESTS}[1h])", "9m", expected), (all_of(REQUESTS), "9m", {"": 2 ** len(NAMES) - 1}))
    assert failures(promtool, Case("names", money_rules(spec_of(MODELS)), series, samples)) == {}


def test_they_are_named_as_the_oracle_names_them(promtool: Path) -> None:
    """Whatever was asked for and answered."""
    spec = spec_of(MODELS)
    known = ("gpt", "gpt-2024", "mini", "new", "unknown")
    series, expected = {up(): WATCHED}, Counter[str]()
    for number, names in enumerate(product(("openai", "azure", "ollama"), known, known), start=1):
        series[request_counter(**labelled(*names))] = f"_x5 {number}x60"
        model = shown_model(spec, Request(spec.gateways[0], *names))
        expected[notation("", gen_ai_system=names[0], model=model)] += number
    case = Case("oracle", money_rules(spec), series, ((all_of(REQUESTS, "gen_ai_system", "model"), "9m", expected),))
    assert failures(promtool, case) == {}


# ---- Whose ---------------------------------------------------------------------------------------------------------


def used(team: str, requests: int, tokens: int) -> dict[str, str]:
    """By a team of so many requests, which used so many tokens."""
    series = {request_counter(team=team): f"_x5 {requests}x60"}
    return {**series, counter(team=team): f"_x5 {tokens}x60"} if tokens else series


def by_team(record: str, **figures: int) -> tuple[str, str, dict[str, int]]:
    return all_of(record, "team"), "9m", {notation("", team=team): figure for team, figure in figures.items()}


def test_the_places_are_those_that_the_tokens_give(promtool: Path) -> None:
    """Who asks often but uses little has none; nor has who used no tokens, unless one is left."""
    series = {up(): WATCHED, **used("large", 1, 5000), **used("small", 90, 3), **used("failing", 4, 0)}
    series |= used("unknown", 2, 7)
    cases = [
        Case(
            f"a limit of {limit}",
            money_rules(spec_of(f"attribution: [{{label: team, expression: apiKey.team, limit: {limit}}}]")),
            series,
            (by_team(TOKENS, **tokens), by_team(REQUESTS, **shown)),
        )
        for limit, tokens, shown in (
            (1, {"large": 5000, "other": 3, "unknown": 7}, {"large": 1, "other": 94, "unknown": 2}),
            (2, {"large": 5000, "small": 3, "unknown": 7}, {"large": 1, "small": 90, "other": 4, "unknown": 2}),
            (3, {"large": 5000, "small": 3, "unknown": 7}, {"large": 1, "small": 90, "failing": 4, "unknown": 2}),
        )
    ]
    assert failures(promtool, *cases) == {}


def test_gateways_of_one_job_and_clusters_are_kept_apart(promtool: Path) -> None:
    spec = spec_of("""
        prometheus: {keep_labels: [cluster]}
        gateways:
          - {name: gw, namespace: ai, monitor: none, job: proxies}
          - {name: other, namespace: ai, monitor: none, job: proxies, version: "1.3"}
    """)
    series, expected = {}, {}
    for number, (gateway, cluster) in enumerate([("ai/gw", "eu"), ("ai/gw", "us"), ("ai/other", "eu")], start=1):
        series[up(job="proxies", cluster=cluster)] = WATCHED
        series[request_counter(job="proxies", cluster=cluster, gateway=gateway)] = f"_x5 {number}x60"
        labels = {"gateway": gateway, "gen_ai_system": "openai", "model": "gpt", "cluster": cluster}
        expected[notation("", **labels)] = number
    by = ("gateway", "gen_ai_system", "model", "cluster")
    case = Case("gateways", money_rules(spec), series, ((all_of(REQUESTS, *by), "9m", expected),))
    assert failures(promtool, case) == {}

"""The gateway's own dollars go through the ledger as tokens do: to the last fraction, and under the models' names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from promtool_cases import NOTHING, Case, failures, money_rules
from spec_builders import notation, spec_of, up, usd_counter

from tollbook.rules import reconciliation

REPORTED = "agentgateway:reported_usd:increase1m"
REPORTED_1H = "agentgateway:reported_usd:increase1h"
WATCHED = "1x90"


def all_of(record: str, *by: str) -> str:
    """As whole billionths, for promtool compares floats to the last bit."""
    return f"round(sum by ({', '.join(by)}) (sum_over_time({record}[2h])) * 1000000000)"


# ---- How often each dollar is counted ------------------------------------------------------------------------------
# As the ledger of tokens, here with fractions that no float holds. Name -> what is to be counted, and the series.

LIVES: dict[str, tuple[int, Mapping[str, str]]] = {
    "a counter that rises by fractions": (
        300_000_003,
        {up(): WATCHED, usd_counter(): "_x4 0.1x9 0.3x9 0.300000003x60"},
    ),
    "a birth on a watched pod": (1_700_000, {up(): WATCHED, usd_counter(): "_x10 0.0017x60"}),
    "a birth at zero, of a request that failed": (700_000, {up(): WATCHED, usd_counter(): "_x10 0x9 0.0007x60"}),
    "the past of a pod that was there first": (2_000_000, {up(): WATCHED, usd_counter(): "12345.678x9 12345.680x60"}),
    "a counter that falls": (900_000_000, {up(): WATCHED, usd_counter(): "_x4 0.7x9 0.2x60"}),
    "a process that restarts": (
        800_000_000 + 900_000_000,
        {up(): WATCHED, usd_counter(): "_x4 0.7x9 0.8 stale 0.9x60"},
    ),
    "an outage": (1_250_000_000, {up(): "1x14 _x9 1x60", usd_counter(): "_x4 0.5x10 _x9 1.25x60"}),
    "an outage with a restart": (1_500_000_000, {up(): "1x14 _x9 1x60", usd_counter(): "_x4 1.25x10 _x9 0.25x60"}),
    "an outage that is too long": (500_000_000, {up(): "1x14 _x40 1x60", usd_counter(): "_x4 0.5x10 _x40 1.25x60"}),
    "a pod that joins": (
        330_000_000,
        {up("old"): WATCHED, up("new"): "_x45 1x40", usd_counter("new"): "_x45 0.33x40"},
    ),
    "a pod that ends": (640_000_000, {up(): "1x20 stale", usd_counter(): "_x5 0.1x14 0.64 stale"}),
    "two routes of one model": (
        310_000_000,
        {up(): WATCHED, usd_counter(route="a"): "_x5 0.3x60", usd_counter(route="b"): "_x6 0.01x60"},
    ),
    "another job, and another gateway of this job": (
        100_000_000,
        {
            up(): WATCHED,
            usd_counter(): "_x5 0.1x60",
            up(job="chart"): WATCHED,
            usd_counter(job="chart"): "_x5 0.1x60",
        },
    ),
}
SHORT_GAP = "prometheus: {gap: 10m}"


def test_each_dollar_is_counted_once(promtool: Path) -> None:
    spec = spec_of(SHORT_GAP)
    rules = money_rules(spec)
    cases = [
        Case(name, rules, series, ((all_of(REPORTED), "35m", {"": billionths}),))
        for name, (billionths, series) in LIVES.items()
    ]
    assert failures(promtool, *cases) == {}


def test_gateways_of_one_job_and_clusters_are_kept_apart(promtool: Path) -> None:
    """Dollars that a gateway shows are counted, whatever the spec says of its version."""
    spec = spec_of("""
        prometheus: {keep_labels: [cluster]}
        gateways:
          - {name: gw, namespace: ai, monitor: none, job: proxies}
          - {name: other, namespace: ai, monitor: none, job: proxies, version: "1.4"}
          - {name: old, namespace: ai, monitor: none, job: proxies, version: "1.3"}
    """)
    series, expected = {}, {}
    for number, (gateway, cluster) in enumerate(
        [("ai/gw", "eu"), ("ai/gw", "us"), ("ai/other", "eu"), ("ai/old", "eu")], start=1
    ):
        series[up(job="proxies", cluster=cluster)] = WATCHED
        series[usd_counter(job="proxies", cluster=cluster, gateway=gateway)] = f"_x5 0.00{number}x60"
        labels = {"gateway": gateway, "gen_ai_system": "openai", "model": "gpt", "cluster": cluster}
        expected[notation("", **labels)] = number * 1_000_000
    by = ("gateway", "gen_ai_system", "model", "cluster")
    case = Case("gateways", money_rules(spec), series, ((all_of(REPORTED, *by), "9m", expected),))
    assert failures(promtool, case) == {}


# ---- Under which names ---------------------------------------------------------------------------------------------

# provider, request model, response model -> under which model
NAMES = {
    ("openai", "gpt", "gpt"): "gpt",
    ("openai", "gpt", "gpt-2024"): "gpt",
    ("openai", "gpt-2024", "unknown"): "gpt",
    ("openai", "gpt", "gpt-0731"): "gpt",
    ("openai", "gpt", "mini"): "mini",
    ("openai", "new", "new-2027"): "new-2027",
    ("openai", "newer", "unknown"): "newer",
    ("openai", "unknown", "unknown"): "unknown",
    ("azure", "gpt", "gpt"): "gpt",
    ("azure.openai", "gpt", "gpt"): "gpt",
    ("ollama", "gpt", "gpt"): "gpt",
}


def test_dollars_have_the_names_that_tokens_have(promtool: Path) -> None:
    spec = spec_of("""
        models:
          - {provider: openai, name: gpt, aliases: [gpt-2024], prices: [{input: 1, output: 10}]}
          - {provider: openai, name: mini, prices: [{input: 1, output: 10}]}
          - {provider: azure, name: gpt, prices: [{input: 1, output: 10}]}
    """)
    series, expected = {up(): WATCHED}, dict[str, int]()
    for number, ((provider, asked, answered), model) in enumerate(NAMES.items()):
        labels = {"gen_ai_system": provider, "gen_ai_request_model": asked, "gen_ai_response_model": answered}
        series[usd_counter(**labels)] = f"_x5 {2**number}x60"
        cell = notation("", gateway="ai/gw", gen_ai_system=provider.removesuffix(".openai"), model=model)
        expected[cell] = expected.get(cell, 0) + 2**number
    case = Case("names", money_rules(spec), series, ((f"sum_over_time({REPORTED}[1h])", "9m", expected),))
    assert failures(promtool, case) == {}


def test_the_last_hour_is_an_hour(promtool: Path) -> None:
    cell = notation(REPORTED_1H, gateway="ai/gw", gen_ai_system="openai", model="gpt")
    dollars = {"1m": NOTHING, "2m": {cell: 0.5}, "61m": {cell: 0.75}, "62m": {cell: 0.25}, "122m": {cell: 0}}
    samples = tuple((REPORTED_1H, at, usd) for at, usd in dollars.items())
    series = {up(): "1x300", usd_counter(): "_x3 0.5x99 0.75x200"}
    assert failures(promtool, Case("an hour", money_rules(spec_of(), reconciliation), series, samples)) == {}

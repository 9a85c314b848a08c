"""Each token is billed once and under one name, whatever the gateway's version and the provider's format make of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from promtool_cases import NOTHING, Case, failures, ledger_of, money_rules, rule_file, unmet
from spec_builders import counter, spec_of, up

from tollbook.gen import gateways
from tollbook.rules import cost, facts, prices, tokens

TOKENS = "agentgateway:tokens:increase1m"
COST = "agentgateway:cost_usd:increase1m"
UNPRICED = "agentgateway:unpriced_tokens:increase1m"
ALWAYS = "1x20"


def all_of(metric: str, *by: str) -> str:
    """All that was ever recorded; dollars as whole billionths, for promtool compares floats to the last bit."""
    total = f"sum by ({', '.join(by)}) (sum_over_time({metric}[1h]))"
    return f"round({total} * 1000000000)" if metric == COST else total


# ---- What the types mean -----------------------------------------------------------------------------------------
# Every request of these tests used 1000 tokens of input that no cache knew, 200 of output, 30 read from a cache and 4
# written to one. Which figures the gateway shows for that is copied from its own documentation, provider by provider.

INCLUSIVE = {"input": 1034, "output": 200, "input_cache_read": 30, "input_cache_write": 4}
EXCLUSIVE = {"input": 1000, "output": 200, "input_cache_read": 30, "input_cache_write": 4}
ONLY_INCLUSIVE = {"input": 1034, "output": 200}
ONLY_EXCLUSIVE = {"input": 1000, "output": 200}

# provider, request model -> what versions 0.11, 1.0 to 1.4, and 1.5 show.
SHOWN = {
    ("openai", "gpt-5"): (ONLY_INCLUSIVE, INCLUSIVE, INCLUSIVE),
    ("azure", "gpt-5"): (ONLY_INCLUSIVE, INCLUSIVE, INCLUSIVE),
    ("gcp.gemini", "gemini-2.5-pro"): (ONLY_INCLUSIVE, INCLUSIVE, INCLUSIVE),
    ("custom", "mixtral"): (ONLY_INCLUSIVE, INCLUSIVE, INCLUSIVE),
    ("ollama", "llama3.3"): (ONLY_INCLUSIVE, INCLUSIVE, INCLUSIVE),
    ("anthropic", "claude-sonnet-4-5"): (ONLY_EXCLUSIVE, EXCLUSIVE, INCLUSIVE),
    ("aws.bedrock", "anthropic.claude-sonnet-4-5-v1:0"): (ONLY_EXCLUSIVE, EXCLUSIVE, INCLUSIVE),
    ("aws.bedrock", "amazon.nova-pro-v1:0"): (ONLY_EXCLUSIVE, EXCLUSIVE, INCLUSIVE),
    ("gcp.vertex_ai", "gemini-2.5-pro"): (ONLY_INCLUSIVE, INCLUSIVE, INCLUSIVE),
    ("gcp.vertex_ai", "claude-sonnet-4-5"): (ONLY_EXCLUSIVE, EXCLUSIVE, INCLUSIVE),
    ("gcp.vertex_ai", "publishers/anthropic/models/claude-opus-4-1"): (ONLY_EXCLUSIVE, EXCLUSIVE, INCLUSIVE),
    ("gcp.vertex_ai", "not-claude"): (ONLY_INCLUSIVE, INCLUSIVE, INCLUSIVE),
    ("azure", "claude-sonnet-4-5"): (ONLY_EXCLUSIVE, EXCLUSIVE, INCLUSIVE),
    ("copilot", "claude-sonnet-4-5"): (ONLY_EXCLUSIVE, EXCLUSIVE, INCLUSIVE),
    ("copilot", "gpt-5"): (ONLY_INCLUSIVE, INCLUSIVE, INCLUSIVE),
}
VERSIONS = {"0.10": 0, "0.11": 0, "1.0": 1, "1.3.1": 1, "1.4.1": 1, "1.5": 2, "1.5.2": 2, "1.10": 2}

PRICE = "[{input: 1, output: 10, cache_read: 0.1, cache_write: 100}]"
EVERY_MODEL = "models:\n" + "".join(
    f'  - {{provider: {provider}, name: "{model}", prices: {PRICE}}}\n' for provider, model in SHOWN
)
BILLED = {"input": 1000, "output": 200, "input_cache_read": 30, "input_cache_write": 4}
# (1000 * 1 + 200 * 10 + 30 * 0.1 + 4 * 100) / 1,000,000 USD
BILLIONTHS = 3_403_000
# Without cache types their tokens are input or are not seen: (1034 * 1 + 200 * 10) and (1000 * 1 + 200 * 10).
BILLIONTHS_OF_OLD = {1034: 3_034_000, 1000: 3_000_000}


def meaning(version: str) -> Case:
    spec = spec_of(f'gateways: [{{name: gw, namespace: ai, version: "{version}"}}]\n{EVERY_MODEL}')
    series, usd = {up(): ALWAYS}, {}
    billed: dict[str, int] = {}
    for (provider, model), versions in SHOWN.items():
        shown = versions[VERSIONS[version]]
        for token_type, count in shown.items():
            labels = {"gen_ai_system": provider, "gen_ai_request_model": model, "gen_ai_response_model": model}
            series[counter(token_type, **labels)] = f"_x5 {count}x20"
        seen = BILLED if "input_cache_read" in shown else shown
        of_model = f'gen_ai_system="{provider}",model="{model}"'
        billed |= {f'{{{of_model},gen_ai_token_type="{kind}"}}': count for kind, count in seen.items()}
        usd[f"{{{of_model}}}"] = BILLIONTHS if seen is BILLED else BILLIONTHS_OF_OLD[shown["input"]]
    by = ("gen_ai_system", "model")
    samples = ((all_of(TOKENS, *by, "gen_ai_token_type"), "9m", billed), (all_of(COST, *by), "9m", usd))
    return Case(version, money_rules(spec), series, samples)


def test_every_version_and_provider_is_billed_for_each_token_once(promtool: Path) -> None:
    assert failures(promtool, *map(meaning, VERSIONS)) == {}


def test_every_row_of_the_table_of_versions_is_tried() -> None:
    tried = {gateways.token_semantics((int(v.split(".")[0]), int(v.split(".")[1]))) for v in VERSIONS}
    assert tried == set(gateways.TOKEN_SEMANTICS)


@pytest.mark.parametrize(
    ("version", "meant_as"), [("1.4.1", (1, 5)), ("1.4.1", (0, 11)), ("1.5", (1, 4)), ("1.5", (0, 11))]
)
def test_another_version_s_meaning_bills_another_sum(
    version: str, meant_as: tuple[int, int], promtool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = gateways.token_semantics(meant_as)
    monkeypatch.setattr(facts, "stated_semantics", lambda _: other)
    assert unmet(promtool, meaning(version)) == {version}


def test_a_model_that_never_caches_is_billed_all_the_same(promtool: Path) -> None:
    """On every version: taking off what was cached must not delete what has nothing to take off."""
    cases = [
        Case(
            version,
            money_rules(spec_of(f'gateways: [{{name: gw, namespace: ai, version: "{version}"}}]')),
            {up(): ALWAYS, counter("input"): "_x5 5000x20"},
            (
                (all_of(TOKENS, "gen_ai_token_type"), "9m", {'{gen_ai_token_type="input"}': 5000}),
                (all_of(COST, "gen_ai_token_type"), "9m", {'{gen_ai_token_type="input"}': 5_000_000}),
            ),
        )
        for version in VERSIONS
    ]
    assert failures(promtool, *cases) == {}


def test_a_type_of_token_that_is_not_known_is_not_free_but_unpriced(promtool: Path) -> None:
    """A later gateway may count what no price is stated for. A model of the spec is told by its name there."""
    labels = 'gen_ai_system="openai",gen_ai_response_model="gpt"'
    case = Case(
        "reasoning",
        money_rules(spec_of()),
        {up(): ALWAYS, counter("input"): "_x5 700x20", counter("reasoning"): "_x5 900x20"},
        (
            (
                f"sum_over_time({UNPRICED}[1h])",
                "9m",
                {f'{{gateway="ai/gw",{labels},gen_ai_token_type="reasoning"}}': 900},
            ),
        ),
    )
    assert failures(promtool, case) == {}


# ---- Under which name -----------------------------------------------------------------------------------------------

NAMED = """
    models:
      - {provider: openai, name: gpt, aliases: [gpt-2024, gpt-2025], prices: [{input: 1, output: 10}]}
      - {provider: openai, name: mini, prices: [{input: 1, output: 20}]}
      - {provider: azure, name: gpt, prices: [{input: 1, output: 30}]}
      - {provider: ollama, name: llama, free: true}
"""
# provider, request model, response model -> shown as, in billionths of a dollar for a token; None: without a price
NAMES = {
    "its own name": ("openai", "gpt", "gpt", "gpt", 10_000),
    "an alias stands for the name": ("openai", "gpt", "gpt-2024", "gpt", 10_000),
    "an alias is asked for, another answers": ("openai", "gpt-2024", "gpt-2025", "gpt", 10_000),
    "the response counts, not the request": ("openai", "gpt", "mini", "mini", 20_000),
    "a response that is not listed: the request counts": ("openai", "mini", "mini-0731", "mini", 20_000),
    "a response without a name: the request counts": ("openai", "mini", "unknown", "mini", 20_000),
    "a request without a name: the response counts": ("openai", "unknown", "mini", "mini", 20_000),
    "an alias of the request counts too": ("openai", "gpt-2025", "unknown", "gpt", 10_000),
    "another provider's model of the same name": ("azure", "gpt", "gpt", "gpt", 30_000),
    "a free model costs nothing, which is a price": ("ollama", "llama", "llama", "llama", 0),
    "neither is listed: under the response's name": ("openai", "gpt-6", "gpt-6-2027", "gpt-6-2027", None),
    "a name that only begins like one": ("openai", "gpt-2024-preview", "unknown", "gpt-2024-preview", None),
    "a name of another provider": ("ollama", "gpt", "unknown", "gpt", None),
    "nothing has a name": ("openai", "unknown", "unknown", "unknown", None),
}


@cache
def naming(promtool: Path) -> dict[str, str]:
    rules, cases = money_rules(spec_of(NAMED)), []
    for name, (provider, asked, answered, shown_as, billionths) in NAMES.items():
        labels = {"gen_ai_system": provider, "gen_ai_request_model": asked, "gen_ai_response_model": answered}
        of_model = f'{{gen_ai_system="{provider}",model="{shown_as}"}}'
        identity = (
            f'{{gateway="ai/gw",gen_ai_system="{provider}",gen_ai_request_model="{asked}",'
            f'gen_ai_response_model="{answered}",gen_ai_token_type="output"}}'
        )
        priced: dict[str, int] = {} if billionths is None else {of_model: 7 * billionths}
        unpriced: dict[str, int] = {identity: 7} if billionths is None else {}
        samples = (
            (all_of(TOKENS, "gen_ai_system", "model"), "9m", {of_model: 7}),
            (all_of(COST, "gen_ai_system", "model"), "9m", priced),
            (f"sum_over_time({UNPRICED}[1h])", "9m", unpriced),
        )
        cases.append(Case(name, rules, {up(): ALWAYS, counter("output", **labels): "_x5 7x20"}, samples))
    return failures(promtool, *cases)


@pytest.mark.parametrize("name", NAMES)
def test_tokens_are_found_by_their_exact_names(name: str, promtool: Path) -> None:
    assert naming(promtool).get(name, "") == ""


def test_names_that_share_a_model_add_up_under_it(promtool: Path) -> None:
    series = {up(): ALWAYS}
    for number, (asked, answered) in enumerate([("gpt", "gpt"), ("gpt", "gpt-2024"), ("gpt-2025", "unknown")]):
        labels = {"gen_ai_request_model": asked, "gen_ai_response_model": answered}
        series[counter("output", **labels)] = f"_x5 {10**number}x20"
    record = '{gateway="ai/gw",gen_ai_system="openai",model="gpt",gen_ai_token_type="output"}'
    samples = ((f"sum_over_time({TOKENS}[1h])", "9m", {record: 111}), (UNPRICED, "4m", NOTHING))
    assert failures(promtool, Case("names", money_rules(spec_of(NAMED)), series, samples)) == {}


def test_attribution_and_kept_labels_stay_with_tokens_and_dollars(promtool: Path) -> None:
    """Unpriced tokens are told by gateway and name: who used them does not matter for adding a price."""
    spec = spec_of("""
        prometheus: {keep_labels: [cluster]}
        attribution: [{label: team, expression: apiKey.team}, {label: agent, expression: request.agent}]
    """)
    who = {"team": "search", "agent": "crawler", "cluster": "eu"}
    other = {"gen_ai_request_model": "new", "gen_ai_response_model": "new"}
    who_text = 'team="search",agent="crawler",cluster="eu"'
    gateway = 'gateway="ai/gw",gen_ai_system="openai"'
    output = 'gen_ai_token_type="output"'
    case = Case(
        "labels",
        money_rules(spec),
        {
            up(cluster="eu"): ALWAYS,
            counter("output", **who): "_x5 7x20",
            counter("output", **who, **other): "_x5 5x20",
            counter("output", **{**who, "team": "ads"}, **other): "_x5 6x20",
        },
        (
            (
                f"sum_over_time({TOKENS}[1h])",
                "9m",
                {
                    f'{{{gateway},model="gpt",{output},{who_text}}}': 7,
                    f'{{{gateway},model="new",{output},{who_text}}}': 5,
                    f'{{{gateway},model="new",{output},{who_text.replace("search", "ads")}}}': 6,
                },
            ),
            (
                f"round(sum_over_time({COST}[1h]) * 1000000000)",
                "9m",
                {f'{{{gateway},model="gpt",{output},{who_text}}}': 7 * 10_000},
            ),
            (
                f"sum_over_time({UNPRICED}[1h])",
                "9m",
                {f'{{{gateway},gen_ai_request_model="new",gen_ai_response_model="new",{output},cluster="eu"}}': 11},
            ),
        ),
    )
    assert failures(promtool, case) == {}


def test_two_gateways_of_two_versions_are_kept_apart(promtool: Path) -> None:
    spec = spec_of("""
        gateways:
          - {name: gw, namespace: ai, version: "1.4.1", monitor: none, job: proxies}
          - {name: other, namespace: ai, version: "1.5", monitor: none, job: proxies}
        models: [{provider: anthropic, name: claude, prices: [{input: 1, output: 10, cache_read: 0.1}]}]
    """)
    of_model = {"gen_ai_system": "anthropic", "gen_ai_request_model": "claude", "gen_ai_response_model": "claude"}
    series: dict[str, str] = {}
    for gateway, counted_input in (("ai/gw", 1000), ("ai/other", 1030)):
        labels = {**of_model, "job": "proxies", "gateway": gateway}
        series[up(gateway, job="proxies")] = ALWAYS
        series[counter("input", gateway, **labels)] = f"_x5 {counted_input}x20"
        series[counter("input_cache_read", gateway, **labels)] = "_x5 30x20"
    samples = ((all_of(COST, "gateway"), "9m", {'{gateway="ai/gw"}': 1_003_000, '{gateway="ai/other"}': 1_003_000}),)
    assert failures(promtool, Case("versions", money_rules(spec), series, samples)) == {}


# ---- Each evaluation reads what it recorded itself -----------------------------------------------------------------

METERED = (
    'agentgateway:metered_tokens:increase1m{gateway="ai/gw",gen_ai_system="openai",model="gpt",'
    'gen_ai_token_type="output",job="monitoring/agentgateway-cost",instance="pod",usage_format="openai",'
    'token_semantics="1.5"}'
)


def test_what_was_recorded_before_a_restart_of_prometheus_is_not_billed_again(promtool: Path) -> None:
    """A server that starts finds the last records of the one before, without a staleness marker, for five minutes;
    and in its first evaluations it often has no sample of its own yet, so that nothing replaces them."""
    case = Case(
        "a restart between the first minute and the second",
        money_rules(spec_of()),
        {METERED: "100"},
        (
            (all_of("agentgateway:billable_tokens:increase1m"), "9m", {"": 100}),
            (all_of(TOKENS), "9m", {"": 100}),
            (all_of(COST), "9m", {"": 1_000_000}),
        ),
    )
    assert failures(promtool, case) == {}


OF_SPEC = 'spec="monitoring/agentgateway-cost",gen_ai_system="openai"'


def test_while_a_renamed_model_is_still_recorded_nothing_is_billed_twice(promtool: Path) -> None:
    """When a model is renamed its old card may stay for some minutes. Two models for one name would match many to
    many, and with that Prometheus gives up the whole rule: every token of every gateway. The name that is a card's own
    is that card's, whatever an alias that was left behind says."""
    old = {
        f'agentgateway:price_usd_per_mtok{{{OF_SPEC},model="old",gen_ai_token_type="{kind}"}}': "10x8 stale"
        for kind in ("input", "output")
    }
    old[f'agentgateway:model:alias{{{OF_SPEC},model="old",gen_ai_response_model="gpt"}}'] = "1x8 stale"
    case = Case(
        "a rename",
        money_rules(spec_of(NAMED)),
        {
            up(): ALWAYS,
            counter("output"): "_x5 100x4 150x20",
            counter("output", gen_ai_request_model="gpt", gen_ai_response_model="mini"): "_x5 3x20",
            counter("output", gen_ai_request_model="gpt-2024", gen_ai_response_model="gpt-2025"): "_x5 7x20",
        }
        | old,
        (
            (f"sum(sum_over_time({TOKENS}[1h]))", "9m", {"": 160}),
            (all_of(COST), "9m", {"": 150 * 10_000 + 7 * 10_000 + 3 * 20_000}),
            (f"sum(sum_over_time({UNPRICED}[1h]))", "9m", NOTHING),
        ),
    )
    assert failures(promtool, case) == {}


# The card and what was used; promtool evaluates only at the multiples of this many minutes.
OUTAGES = {
    "prices are there": ("10x300", "1m", 20, 1_000_000),
    "back soon": ("10x10", "20m", 20, 1_000_000),
    "back late": ("10x10", "70m", 70, 0),
    "the card ended while the rules ran": ("10x30 stale", "1m", 17, 0),
}


def test_what_an_outage_left_to_bill_is_priced_though_no_price_is_recorded_yet(promtool: Path) -> None:
    """Prometheus runs groups at moments of their own: back from an outage, the ledger may come before the prices. The
    last price, of the time before, is then as good; after an hour without any it is no longer known. What ends while
    the rules run has ended."""
    spec = spec_of()
    rules = rule_file(ledger_of(spec, (prices.rules, tokens.rules, cost.rules)))
    cases = [
        Case(
            name,
            rules,
            {
                f'agentgateway:price_usd_per_mtok{{{OF_SPEC},model="gpt",gen_ai_token_type="output"}}': card,
                METERED: f"_x{2 * minute} 100",
            },
            (
                (all_of(COST), f"{minute}m", {"": billionths} if billionths else NOTHING),
                (all_of(UNPRICED), f"{minute}m", NOTHING if billionths else {"": 100}),
            ),
            evaluated_every=every,
        )
        for name, (card, every, minute, billionths) in OUTAGES.items()
    ]
    assert failures(promtool, *cases) == {}

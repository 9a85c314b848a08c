"""One fault, and everybody's money: whatever one spec, one pod or one caller does, it costs itself alone.

Each fault is planted in the gateway ai/gw, or beside it, and two healthy gateways stand by, whose dollars must stay
exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from promtool_cases import NOTHING, Case, Samples, fact_groups, failures, ledger_of, money_rules, rule_file
from spec_builders import JOB, build_info, counter, notation, spec_of, up

from tollbook import rules
from tollbook.gen.spec import Gateway, Limits, Monitor, Spec
from tollbook.rules import evaluation, misread, totals, unlisted, unpriced, versions

COST = "agentgateway:cost_usd:increase1m"
TOKENS = "agentgateway:tokens:increase1m"
UNPRICED = "agentgateway:unpriced_tokens:increase1m"
MISREAD = "agentgateway:misread_tokens:increase1m"
PRICE = "agentgateway:price_usd_per_mtok"
ALIAS = "agentgateway:model:alias"

#: The scrapes of seventy minutes. A hundred requests are seen from the sixth on, one each: until the 53rd minute.
WATCHED = "1x140"
END = "69m"
#: What most of them use.
OUTPUT = {"output": 100}
#: A healthy gateway's: 100 x (1000 x 1 + 100 x 10) / 1,000,000 USD
HEALTHY = {"ai/one": 200_000_000, "ai/two": 200_000_000}

GATEWAYS = """
gateways:
  - {name: one, namespace: ai}
  - {name: two, namespace: ai}
  - {name: gw, namespace: ai}
"""
MODELS = """
models:
  - {provider: openai, name: gpt, aliases: [gpt-2024], prices: [{input: 1, output: 10, cache_read: 0.1}]}
  - {provider: openai, name: mini, prices: [{input: 1, output: 10}]}
"""


def fleet(more: str = "", models: str = MODELS) -> Spec:
    return spec_of(f"{GATEWAYS}{models}{more}")


def requests(each: int) -> str:
    """A hundred requests of so many tokens."""
    return f"_x5 {each}+{each}x99 {100 * each}x35"


def used(pod: str, tokens: Mapping[str, int], **labels: str) -> dict[str, str]:
    """By one pod, of each type in each request."""
    return {counter(kind, pod, **labels): requests(count) for kind, count in tokens.items()}


def healthy(**labels: str) -> dict[str, str]:
    series: dict[str, str] = {}
    for gateway in HEALTHY:
        whose = {"gateway": gateway, **labels}
        series |= {up(gateway, **whose): WATCHED, build_info("v1.5.0", gateway, **whose): WATCHED}
        series |= used(gateway, {"input": 1000, "output": 100}, **whose)
    return series


def dollars(**others: int) -> tuple[str, str, Samples]:
    """By gateway in billionths: those of the healthy ones, and of others: `gw` means ai/gw."""
    usd = {**HEALTHY, **{f"ai/{name}": billionths for name, billionths in others.items()}}
    return _by_gateway(usd)


def _by_gateway(usd: Mapping[str, int]) -> tuple[str, str, Samples]:
    total = f"round(sum by (gateway) (sum_over_time({COST}[2h])) * 1000000000)"
    return total, END, {notation("", gateway=gateway): billionths for gateway, billionths in usd.items()}


def sums(record: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) (sum_over_time({record}[2h])) > 0"


def firing(alert: str, *by: str) -> str:
    return f'count by ({", ".join(by)}) (ALERTS{{alertname="{alert}",alertstate="firing"}})'


def case_of(name: str, rules_text: str, series: Mapping[str, str], *samples: tuple[str, str, Samples]) -> Case:
    return Case(name, rules_text, {**healthy(), up("gw-1"): WATCHED, **series}, samples)


def of_model(name: str, asked: str = "", provider: str = "openai") -> dict[str, str]:
    return {"gen_ai_system": provider, "gen_ai_request_model": asked or name, "gen_ai_response_model": name}


# ---- Facts -----------------------------------------------------------------------------------------------------------


def fact(record: str, spec: str = JOB, **labels: str) -> str:
    return notation(record, spec=spec, gen_ai_system="openai", **labels)


def facts() -> Iterator[Case]:
    told = money_rules(fleet(), unpriced)
    both_names = {**used("gw-1", OUTPUT, **of_model("gpt-2024")), **used("gw-1", {"output": 7}, **of_model("gpt"))}
    yield case_of(
        "an alias that a stale object gives to another model is unpriced, alone",
        told,
        {**both_names, fact(ALIAS, model="mini", gen_ai_response_model="gpt-2024"): "1x140"},
        dollars(gw=7 * 100 * 10_000),
        (
            sums(UNPRICED, "gateway", "gen_ai_response_model"),
            END,
            {notation("", gateway="ai/gw", gen_ai_response_model="gpt-2024"): 10_000},
        ),
        (firing("LLMTokensUnpriced", "gateway"), "5m", {'{gateway="ai/gw"}': 1}),
    )
    yield case_of(
        "such an alias stops nothing where nobody uses it either",
        told,
        {**used("gw-1", OUTPUT), fact(ALIAS, model="mini", gen_ai_response_model="gpt-2024"): "1x140"},
        dollars(gw=100_000_000),
        (UNPRICED, "30m", NOTHING),
    )
    yield case_of(
        "another spec in the same Prometheus has names and prices of its own",
        told,
        {
            **both_names,
            fact(ALIAS, "lab/cost", model="else", gen_ai_response_model="gpt-2024"): "1x140",
            fact(PRICE, "lab/cost", model="gpt", gen_ai_token_type="output"): "999x140",
            fact(PRICE, "lab/cost", model="else", gen_ai_token_type="output"): "999x140",
        },
        dollars(gw=(100 + 7) * 100 * 10_000),
        (UNPRICED, "30m", NOTHING),
    )
    yield case_of(
        "of two cards of one model the dearer counts, once",
        told,
        {
            **used("gw-1", OUTPUT, **of_model("mini")),
            fact(PRICE, model="mini", gen_ai_token_type="output", format="anthropic"): "30x140",
            fact(PRICE, model="mini", gen_ai_token_type="output", format="openai"): "5x140",
        },
        dollars(gw=100 * 100 * 30_000),
    )


def test_a_price_that_ended_is_neither_billed_nor_carried_and_told_at_once(promtool: Path) -> None:
    """Its card's last sample is of the 20th minute: 35 of the hundred requests were counted by then."""
    spec = fleet()
    without = replace(spec, models=spec.models[:1])
    ledger = ledger_of(spec, [family for family in rules.LEDGER if family is not rules.calendar.rules])
    case = case_of(
        "an end",
        rule_file(*fact_groups(without), ledger, *unpriced.build(spec)),
        {
            **used("gw-1", OUTPUT, **of_model("mini")),
            fact(PRICE, model="mini", gen_ai_token_type="output"): "10x40 stale",
        },
        dollars(gw=35 * 100 * 10_000),
        (sums(UNPRICED, "gateway"), END, {'{gateway="ai/gw"}': 6500}),
        (firing("LLMTokensUnpriced", "gateway"), "20m", NOTHING),
        (firing("LLMTokensUnpriced", "gateway"), "21m", {'{gateway="ai/gw"}': 1}),
    )
    assert failures(promtool, case) == {}


# ---- Targets ---------------------------------------------------------------------------------------------------------

#: A counter that stood at a billion when it was first seen, in the 35th minute, and rose by 5: 5 x 10 / 1,000,000 USD.
LATE, LATE_UP, LATE_BILLIONTHS = "_x70 1000000000x20 1000000005x50", "_x70 1x70", 50_000


def test_clusters_with_pods_of_one_address_are_billed_once_each(promtool: Path) -> None:
    spec = fleet("prometheus: {keep_labels: [cluster]}\n")
    eu, us = {"cluster": "eu"}, {"cluster": "us"}
    address = "10.0.0.1:15020"
    series = {
        **healthy(**eu),
        of_pod("gw-aaa", up(address, **eu)): WATCHED,
        of_pod("gw-bbb", up(address, **us)): LATE_UP,
        of_pod("gw-aaa", counter("output", address, **eu)): requests(100),
        of_pod("gw-bbb", counter("output", address, **us)): LATE,
    }
    billed = {("ai/one", "eu"): 200_000_000, ("ai/two", "eu"): 200_000_000}
    billed |= {("ai/gw", "eu"): 100_000_000, ("ai/gw", "us"): LATE_BILLIONTHS}
    total = f"round(sum by (gateway, cluster) (sum_over_time({COST}[2h])) * 1000000000)"
    expected = {notation("", gateway=gateway, cluster=cluster): usd for (gateway, cluster), usd in billed.items()}
    assert failures(promtool, Case("clusters", money_rules(spec), series, ((total, END, expected),))) == {}


def of_pod(name: str, series: str) -> str:
    """As the operator labels it, with the name of the pod beside its address."""
    return series.replace("{", f'{{pod="{name}",', 1)


def standalone(name: str, *instances: str, job: str = "vms") -> Gateway:
    """Of somebody else's job, as the spec names it by the addresses of its processes."""
    (one,) = spec_of(f"gateways: [{{name: {name}, namespace: ai, monitor: none, job: {job}}}]").gateways
    return replace(one, namespace="", instances=instances)


def test_standalone_gateways_of_one_job_are_told_apart_by_their_addresses(promtool: Path) -> None:
    """All call themselves default/default; the second comes late."""
    spec = fleet()
    named = (standalone("berlin", "gw1:15020"), standalone("hamburg", "gw2:15020"))
    spec = replace(spec, gateways=(*spec.gateways, *named))
    own = {"job": "vms", "gateway": "default/default"}
    series = {
        up("gw1:15020", job="vms"): WATCHED,
        up("gw2:15020", job="vms"): LATE_UP,
        **used("gw1:15020", OUTPUT, **own),
        counter("output", "gw2:15020", **own): LATE,
    }
    usd = {**HEALTHY, "berlin": 100_000_000, "hamburg": LATE_BILLIONTHS}
    case = case_of("addresses", money_rules(spec, unlisted), series, _by_gateway(usd),
                   (firing("LLMGatewayUnlisted", "gateway"), "60m", NOTHING))  # fmt: skip
    assert failures(promtool, case) == {}


def test_standalone_gateways_whose_targets_bear_their_names_are_told_apart(promtool: Path) -> None:
    """As static targets of the spec's own job are labelled."""
    spec = fleet()
    (berlin, hamburg) = (
        replace(standalone(name), job=JOB, monitor=Monitor.SCRAPE_CONFIG) for name in ("berlin", "hamburg")
    )
    spec = replace(spec, gateways=(*spec.gateways, berlin, hamburg))
    of_berlin, of_hamburg = ({"gateway": name, "exported_gateway": "default/default"} for name in ("berlin", "hamburg"))
    series = {
        up("gw1:15020", gateway="berlin"): WATCHED,
        up("gw2:15020", gateway="hamburg"): LATE_UP,
        **used("gw1:15020", OUTPUT, **of_berlin),
        counter("output", "gw2:15020", **of_hamburg): LATE,
    }
    usd = {**HEALTHY, "berlin": 100_000_000, "hamburg": LATE_BILLIONTHS}
    assert failures(promtool, case_of("names", money_rules(spec), series, _by_gateway(usd))) == {}


# ---- Callers ---------------------------------------------------------------------------------------------------------

#: promtool holds 10,000 samples of a query: about 1,200 names.
NAMES, KEPT = 300, 20


def test_random_model_names_are_summed_as_others_and_cost_nobody_else_anything(promtool: Path) -> None:
    """Each name is used once, the first ones most. What is kept apart is what used most."""
    spec = replace(fleet(), limits=Limits(series_per_pod=20_000, models_per_gateway=KEPT))
    series = used("gw-1", {"output": 7})
    for number in range(NAMES):
        name = f"made-up-{number:04}"
        series[counter("output", "gw-1", **of_model(name))] = f"_x9 {NAMES - number}x120"
    all_made_up = NAMES * (NAMES + 1) // 2
    kept = sum(NAMES - number for number in range(KEPT))
    made_up = f'{TOKENS}{{model=~"made-up-.*"}}'
    case = case_of(
        "names",
        money_rules(spec),
        series,
        dollars(gw=7 * 100 * 10_000),
        (f"sum(sum_over_time({made_up}[2h]))", END, {"": kept}),
        (f"count(sum by (model) (sum_over_time({made_up}[2h])))", END, {"": KEPT}),
        (f'sum(sum_over_time({TOKENS}{{model="other"}}[2h]))', END, {"": all_made_up - kept}),
        (sums(UNPRICED, "gateway"), END, {'{gateway="ai/gw"}': all_made_up}),
    )
    assert failures(promtool, case) == {}


def test_made_up_owners_are_summed_as_others(promtool: Path) -> None:
    """Every token is billed, and the healthy gateways keep their owners."""
    spec = fleet("attribution: [{label: team, expression: apiKey.team, limit: 2}]\n")
    series = {**_of_owner("ads"), **_of_owner("search")}
    series |= {
        counter("output", "gw-1", team=f"made-up-{number:03}"): f"_x9 {10 * (100 - number)}x120"
        for number in range(100)
    }
    by = f"round(sum by (gateway, team) (sum_over_time({COST}[2h])) * 1000000000)"
    others = 10 * sum(100 - number for number in range(2, 100))
    expected = {
        '{gateway="ai/one",team="ads"}': 10_000_000,
        '{gateway="ai/two",team="search"}': 10_000_000,
        '{gateway="ai/gw",team="made-up-000"}': 10_000_000,
        '{gateway="ai/gw",team="made-up-001"}': 9_900_000,
        '{gateway="ai/gw",team="other"}': others * 10_000,
    }
    case = Case("owners", money_rules(spec), {up("gw-1"): WATCHED, **series}, ((by, END, expected),))
    assert failures(promtool, case) == {}


def _of_owner(team: str) -> dict[str, str]:
    pod, gateway = {"ads": ("one", "ai/one"), "search": ("two", "ai/two")}[team]
    return {up(pod, gateway=gateway): WATCHED, **used(pod, {"output": 10}, gateway=gateway, team=team)}


def test_an_owner_whom_a_target_s_label_hides_is_booked_as_the_metric_says(promtool: Path) -> None:
    spec = fleet("attribution: [{label: team, expression: apiKey.team}]\n")
    hidden = {"team": "platform", "exported_team": "search"}
    series = {up("gw-2", team="platform"): WATCHED, **used("gw-2", OUTPUT, **hidden)}
    by = f'round(sum by (team) (sum_over_time({COST}{{gateway="ai/gw"}}[2h])) * 1000000000)'
    told = firing("LLMMetricLabelHidden", "gateway", "hidden")
    case = case_of(
        "hidden",
        money_rules(spec, unlisted),
        series,
        dollars(gw=100_000_000),
        (by, END, {'{team="search"}': 100_000_000}),
        (told, "20m", {'{gateway="ai/gw",hidden="team"}': 1}),
    )
    assert failures(promtool, case) == {}


# ---- What tokens mean ------------------------------------------------------------------------------------------------


def test_cached_tokens_that_exceed_input_are_read_as_excluded_on_their_pod_alone(promtool: Path) -> None:
    """A request on either pod: 1000 tokens of input that no cache knew; on the first 300 that one knew, and `input`
    holds them; on the second 6000 that `input` does not hold. 1000 x 1 + 300 x 0.1 and 1000 x 1 + 6000 x 0.1."""
    series = {
        up("gw-2"): WATCHED,
        **used("gw-1", {"input": 1300, "input_cache_read": 300}),
        **used("gw-2", {"input": 1000, "input_cache_read": 6000}),
    }
    told = firing("LLMCachedTokensExceedInput", "gateway", "instance", "model")
    whose = notation("", gateway="ai/gw", instance="gw-2", model="gpt")
    by_type = f'sum by (gen_ai_token_type) (sum_over_time({TOKENS}{{gateway="ai/gw"}}[2h]))'
    tokens = {'{gen_ai_token_type="input"}': 200_000, '{gen_ai_token_type="input_cache_read"}': 630_000}
    case = case_of(
        "misread",
        money_rules(fleet(), misread),
        series,
        dollars(gw=100 * (1_030_000 + 1_600_000)),
        (by_type, END, tokens),
        (f"count(min_over_time({TOKENS}[2h]) < 0)", END, NOTHING),
        (sums(MISREAD, "instance"), END, {'{instance="gw-2"}': 600_000}),
        (told, "20m", {whose: 1}),
    )
    assert failures(promtool, case) == {}


@pytest.mark.parametrize("broken", ["NaN", "Inf"])
def test_a_pod_that_counts_nonsense_counts_nothing(broken: str, promtool: Path) -> None:
    """After nine requests, with a new minute. No total becomes what it shows."""
    series = {counter("output", "gw-1"): f"_x5 100+100x8 {' '.join([broken] * 120)}"}
    hourly = "round(agentgateway:cost_usd:total_hourly * 1000000000)"
    case = case_of(
        broken,
        money_rules(fleet(), totals),
        series,
        dollars(gw=9 * 100 * 10_000),
        (hourly, "55m", {"": 200_000_000 * 2 + 9_000_000}),
    )
    assert failures(promtool, case) == {}


CLAUDE = """
models:
  - {provider: openai, name: gpt, prices: [{input: 1, output: 10}]}
  - {provider: anthropic, name: claude-sonnet, prices: [{input: 3, output: 15, cache_read: 0.3, cache_write: 3.75}]}
  - {provider: azure, name: claude-opus, prices: [{input: 5, output: 25, cache_read: 0.5, cache_write: 6.25}]}
  - {provider: azure, name: gpt-5, prices: [{input: 1.25, output: 10, cache_read: 0.125}]}
  - {provider: custom, name: kimi, prices: [{input: 0.6, output: 2.5, cache_read: 0.15}]}
"""


def of_1_4() -> Spec:
    """The spec says of ai/gw that it runs 1.4, and of kimi that its provider answers as Anthropic does."""
    spec = fleet(models=CLAUDE)
    gateways = [replace(one, version=(1, 4)) if one.name == "gw" else one for one in spec.gateways]
    models = [replace(model, format="anthropic") if model.name == "kimi" else model for model in spec.models]
    return replace(spec, gateways=tuple(gateways), models=tuple(models))


def meanings() -> Iterator[Case]:
    """A request reports 1000 tokens of input, 200 of output, and 500 read from a cache besides."""
    told = money_rules(of_1_4(), versions)
    shown = {"input": 1000, "output": 200, "input_cache_read": 500}
    sonnet = of_model("claude-sonnet", provider="anthropic")
    # 1000 x 3 + 200 x 15 + 500 x 0.3 = 6150 millionths
    for tag in ("0.0.0-alpha.9f3c2d1", "v1.4.1-206-g9f3c2d1", "9f3c2d1-dirty"):
        yield case_of(
            f"a build {tag} counts as the spec says",
            told,
            {build_info(tag, "gw-1"): WATCHED, **used("gw-1", shown, **sonnet)},
            dollars(gw=100 * 6_150_000),
            (firing("LLMGatewayVersionUnknown", "gateway", "tag"), "65m", {notation("", gateway="ai/gw", tag=tag): 1}),
        )
    yield case_of("a gateway that tells no version counts as the spec says", told, used("gw-1", shown, **sonnet),
                  dollars(gw=100 * 6_150_000))  # fmt: skip
    released = {build_info("v1.4.1", "gw-1"): WATCHED}
    # 1000 x 5 + 200 x 25 + 500 x 0.5 = 10,250
    yield case_of("Claude through Azure", told,
                  {**released, **used("gw-1", shown, **of_model("claude-opus", provider="azure"))},
                  dollars(gw=100 * 10_250_000))  # fmt: skip
    # The deployment has a name of its own; the answer tells the model.
    yield case_of("Claude through a deployment of Azure", told,
                  {**released, **used("gw-1", shown, **of_model("claude-opus", "ours", provider="azure"))},
                  dollars(gw=100 * 10_250_000))  # fmt: skip
    # 1000 x 0.6 + 200 x 2.5 + 500 x 0.15 = 1175: 0.1175 USD
    kimi = of_model("kimi", provider="custom")
    yield case_of("a custom provider of Anthropic's format", told, {**released, **used("gw-1", shown, **kimi)},
                  dollars(gw=100 * 1_175_000))  # fmt: skip
    # Since 1.5 `input` holds what was cached, in whatever format: 500 x 0.6 + 200 x 2.5 + 500 x 0.15 = 875
    yield case_of("the same provider at 1.5", told,
                  {build_info("v1.5.0", "gw-1"): WATCHED, **used("gw-1", shown, **kimi)},
                  dollars(gw=100 * 875_000))  # fmt: skip
    # OpenAI's `input` holds the 500: 500 x 1.25 + 200 x 10 + 500 x 0.125 = 2687.5
    azure = of_model("gpt-5", provider="azure.openai")
    yield case_of("Azure's former name", told,
                  {build_info("v1.1.0", "gw-1"): WATCHED, **used("gw-1", shown, **azure)},
                  dollars(gw=100 * 2_687_500),
                  (sums(TOKENS, "gen_ai_system"), END,
                   {'{gen_ai_system="azure"}': 120_000, '{gen_ai_system="openai"}': 220_000}))  # fmt: skip


# ---- Each of them ----------------------------------------------------------------------------------------------------

CASES = {case.name: case for case in (*facts(), *meanings())}


@cache
def verdicts(promtool: Path) -> dict[str, str]:
    return failures(promtool, *CASES.values())


@pytest.mark.parametrize("name", CASES)
def test_a_fault_costs_itself_alone(name: str, promtool: Path) -> None:
    assert verdicts(promtool).get(name, "") == ""


# ---- Time ------------------------------------------------------------------------------------------------------------


def test_of_every_second_evaluation_missed_half_of_the_dollars_are_missed_and_told(promtool: Path) -> None:
    """A minute that is not recorded is never made up for: LLMCostRulesMissed is what tells it, and nothing mends it."""
    missed = notation("prometheus_rule_group_iterations_missed_total", rule_group="/rules/x.yaml;tollbook.ledger")
    half = {gateway: usd // 2 for gateway, usd in HEALTHY.items()}
    case = Case(
        "missed",
        money_rules(fleet(), evaluation),
        {**healthy(), missed: "0+1x140"},
        (
            _by_gateway(half),
            (firing("LLMCostRulesMissed", "rule_group"), "20m", {'{rule_group="/rules/x.yaml;tollbook.ledger"}': 1}),
        ),
        evaluated_every="2m",
    )
    case = replace(case, samples=tuple((expr, "68m" if at == END else at, found) for expr, at, found in case.samples))
    assert failures(promtool, case) == {}

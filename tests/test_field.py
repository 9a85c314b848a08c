"""Situations that people report, each with the dollars that are right, worked out by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml
from promtool_cases import NOTHING, Case, Samples, failures, money_rules
from spec_builders import build_info, counter, notation, request_counter, spec_of, up

from tollbook.rules import targets, unpriced, usage

COST = "agentgateway:cost_usd:increase1m"
TOKENS = "agentgateway:tokens:increase1m"
WATCHED = "1x140"
END = "69m"


def requests(each: int) -> str:
    """A hundred requests of so many tokens, the first of them in the sixth scrape."""
    return f"_x5 {each}+{each}x99 {100 * each}x35"


def usd_by(label: str, billionths: Mapping[str, int]) -> tuple[str, str, Samples]:
    """Label value -> billionths of a dollar."""
    total = f"round(sum by ({label}) (sum_over_time({COST}[2h])) * 1000000000)"
    return total, END, {notation("", **{label: value}): usd for value, usd in billionths.items()}


def silent(*alerts: str) -> Iterator[tuple[str, str, Samples]]:
    for alert in alerts:
        yield f'ALERTS{{alertname="{alert}",alertstate="firing"}}', END, NOTHING


def named(provider: str, asked: str, answered: str) -> dict[str, str]:
    return {"gen_ai_system": provider, "gen_ai_request_model": asked, "gen_ai_response_model": answered}


# ---- Outside of Kubernetes -------------------------------------------------------------------------------------------


def standalone() -> Case:
    """Its targets have a job and an instance, and no pod, namespace or gateway. Two processes of a hundred requests of
    5000 tokens of input and 5000 of output each: 2 x 100 x (5000 x 1 + 5000 x 5) / 1,000,000 = 6 USD."""
    spec = spec_of("""
        gateways: [{name: default, namespace: default, version: "1.4", monitor: none, job: agentgateway}]
        models:
          - {provider: ollama, name: "gemma4:e4b", free: true}
          - provider: anthropic
            name: claude-haiku-4-5
            aliases: [claude-haiku-4-5-20251001]
            prices: [{input: 1, output: 5, cache_read: 0.1, cache_write: 1.25}]
    """)
    series: dict[str, str] = {}
    for instance in ("a:15020", "b:15020"):
        found = {"job": "agentgateway", "namespace": ""}
        series |= {up(instance, **found): WATCHED, build_info("1.4.1", instance, **found): WATCHED}
        for model in (named("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001"),
                      named("ollama", "gemma4:e4b", "gemma4:e4b")):  # fmt: skip
            for kind in ("input", "output"):
                series[counter(kind, instance, gateway="default/default", **found, **model)] = requests(5000)
    samples = (
        usd_by("model", {"claude-haiku-4-5": 6_000_000_000, "gemma4:e4b": 0}),
        usd_by("gateway", {"default/default": 6_000_000_000}),
        *silent("LLMGatewayNotScraped", "LLMGatewayScrapedTwice", "LLMTokensUnpriced"),
    )
    return Case("a standalone gateway", money_rules(spec, targets, unpriced), series, samples)


# ---- Names -----------------------------------------------------------------------------------------------------------

ARNS = (
    "arn:aws:bedrock:us-east-1:517194595696:application-inference-profile/s529qz7ddy06",
    "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:provisioned-model/abcdefghij12",
)
CHINESE = "\N{CJK UNIFIED IDEOGRAPH-901A}\N{CJK UNIFIED IDEOGRAPH-4E49}-Max.+*"
#: Provider -> its names, whether its input excludes what was cached, and millionths of a dollar for a request of 10,000
#: tokens of input and 1000 of output; with a cache, of 50,000 read from it besides.
LONG_NAMES: dict[str, tuple[tuple[str, ...], bool, int]] = {
    "aws.bedrock": (ARNS, True, 33_000 + 16_500 + 16_500),
    "openai": (("ft:gpt-4o-2024-08-06:acme-corp::AbC123",), False, 37_500 + 15_000),
    "cloudflare": (("workers-ai/@cf/meta/llama-3.1-8b-instruct",), False, 1500 + 830),
    "gcp.vertex_ai": (("claude-opus-4-6@20260205",), True, 50_000 + 25_000 + 25_000),
    "togetherai": (("meta-llama/Llama-3.3-70B-Instruct-Turbo",), False, 8800 + 880),
    "custom": ((CHINESE,), False, 10_000 + 2000),
}


def long_names() -> Case:
    """Inference profiles of Bedrock, whose streamed answers name no model, fine-tuned models, and what regexes read."""
    spec = spec_of(f"""
        gateways: [{{name: gw, namespace: ai, version: "1.4"}}]
        models:
          - provider: aws.bedrock
            name: claude-sonnet-4-5-profiles
            aliases: {list(ARNS)}
            prices: [{{input: 3.3, output: 16.5, cache_read: 0.33, cache_write: 4.125}}]
          - provider: openai
            name: "ft:gpt-4o-2024-08-06:acme-corp::AbC123"
            prices: [{{input: 3.75, output: 15, cache_read: 1.875}}]
          - provider: cloudflare
            name: "workers-ai/@cf/meta/llama-3.1-8b-instruct"
            prices: [{{input: 0.15, output: 0.83}}]
          - provider: gcp.vertex_ai
            name: "claude-opus-4-6@20260205"
            prices: [{{input: 5, output: 25, cache_read: 0.5, cache_write: 6.25}}]
          - provider: togetherai
            name: "meta-llama/Llama-3.3-70B-Instruct-Turbo"
            prices: [{{input: 0.88, output: 0.88}}]
          - {{provider: custom, name: "{CHINESE}", prices: [{{input: 1, output: 2}}]}}
    """)
    series, usd = {up(): WATCHED, build_info("v1.4.1"): WATCHED}, dict[str, int]()
    for provider, (names, caches, millionths) in LONG_NAMES.items():
        for name in names:
            model = named(provider, name, "unknown" if provider == "aws.bedrock" else name)
            counts = {"input": 10_000, "output": 1000, **({"input_cache_read": 50_000} if caches else {})}
            series |= {counter(kind, **model): requests(count) for kind, count in counts.items()}
        usd[provider] = len(names) * 100 * millionths * 1000
    samples = (usd_by("gen_ai_system", usd), *silent("LLMTokensUnpriced"))
    return Case("long names", money_rules(spec, unpriced), series, samples)


def no_response_model() -> Case:
    """Series of old gateways and of other exporters have no such label. 100 x (50,000 x 0.15 + 50,000 x 0.6), and a
    model that nobody priced, under its own name."""
    spec = spec_of("""
        gateways: [{name: gw, namespace: ai, version: "0.12"}]
        models: [{provider: openai, name: gpt-4o-mini, prices: [{input: 0.15, output: 0.6}]}]
    """)
    series = {up(): WATCHED}
    for asked in ("gpt-4o-mini", "gpt-4-turbo"):
        model = named("openai", asked, "")
        series |= {counter(kind, **model): requests(50_000) for kind in ("input", "output")}
    tokens = f"sum by (model) (sum_over_time({TOKENS}[2h]))"
    told = 'count by (gen_ai_request_model) (ALERTS{alertname="LLMTokensUnpriced",alertstate="firing"})'
    samples = (
        usd_by("model", {"gpt-4o-mini": 3_750_000_000}),
        (tokens, END, {'{model="gpt-4o-mini"}': 10_000_000, '{model="gpt-4-turbo"}': 10_000_000}),
        (told, END, {'{gen_ai_request_model="gpt-4-turbo"}': 1}),
    )
    return Case("no response model", money_rules(spec, unpriced), series, samples)


# ---- Rates -----------------------------------------------------------------------------------------------------------


def odd_rates() -> Case:
    """Stated zeros stay zeros: they do not fall back to the input's price. And a cache may be dearer than input."""
    spec = spec_of("""
        models:
          - provider: siliconflow
            name: zai-org/GLM-5.1
            prices: [{input: 1.4, output: 4.4, cache_read: 0.26, cache_write: 0}]
          - {provider: azure, name: text-embedding-3-small, prices: [{input: 0.02, output: 0}]}
          - {provider: cloudflare, name: openai/gpt-3.5-turbo, prices: [{input: 0.5, output: 1.5, cache_read: 1.25}]}
    """)
    glm, embedding, turbo = "zai-org/GLM-5.1", "text-embedding-3-small", "openai/gpt-3.5-turbo"
    used = {
        ("siliconflow", glm): {
            "input": 50_000,
            "output": 5000,
            "input_cache_read": 20_000,
            "input_cache_write": 10_000,
        },
        ("azure", embedding): {"input": 500_000},
        ("cloudflare", turbo): {"input": 50_000, "input_cache_read": 20_000, "output": 5000},
    }
    series = {up(): WATCHED, build_info("v1.5.0"): WATCHED}
    for (provider, name), counts in used.items():
        model = named(provider, name, name)
        series[request_counter(**model)] = requests(5)
        for kind, count in counts.items():
            series[counter(kind, **model)] = requests(count)
            series[counter(kind, **model).replace("_sum{", "_count{")] = requests(5)
    usd = {
        glm: 20_000 * 1400 + 20_000 * 260 + 5000 * 4400,
        embedding: 500_000 * 20,
        turbo: 30_000 * 500 + 20_000 * 1250 + 5000 * 1500,
    }
    samples = (
        usd_by("model", {name: 100 * billionths for name, billionths in usd.items()}),
        *silent("LLMTokensUnpriced", "LLMRequestsWithoutUsage"),
    )
    return Case("odd rates", money_rules(spec, unpriced, usage), series, samples)


# ---- Somebody else's scrapes -----------------------------------------------------------------------------------------


def seldom(every: str, scrapes: int, each: int, billionths: int) -> Case:
    """Managed services scrape every minute, or every other: steps have no sample. Two pods of 1.5 use 100,000 tokens of
    input a minute at 1 USD per million; after 100 minutes they stop."""
    spec = spec_of("""
        gateways: [{name: gw, namespace: ai, version: "1.5", monitor: none, job: kubernetes-pods}]
        models: [{provider: openai, name: gpt, prices: [{input: 1, output: 10}]}]
    """)
    series: dict[str, str] = {}
    for pod in ("a", "b"):
        found = {"job": "kubernetes-pods"}
        series |= {up(pod, **found): "1x140", build_info("v1.5.0", pod, **found): "1x140"}
        series[counter("input", pod, **found)] = f"_x10 {each}+{each}x{scrapes - 1} {each * scrapes}x30"
    total = f"round(sum(sum_over_time({COST}[4h])) * 1000000000)"
    samples = ((total, "130m", {"": billionths}), *silent("LLMGatewayNotScraped"))
    return Case(f"scraped every {every}", money_rules(spec, targets), series, samples, scraped_every=every)


# ---- An enforced namespace -------------------------------------------------------------------------------------------


def enforced(rules: str) -> str:
    """As the operator rewrites rules for enforcedNamespaceLabel: a matcher in every selector, a label on every rule."""
    groups = yaml.safe_load(rules)["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        parts = re.split(r'("(?:[^"\\]|\\.)*")', rule["expr"])
        rule["expr"] = "".join(part if number % 2 else _with_matcher(part) for number, part in enumerate(parts))
        rule["labels"] = {**rule.get("labels", {}), "namespace": "monitoring"}
    return yaml.safe_dump({"groups": groups}, width=4000)


def _with_matcher(promql: str) -> str:
    selector = r"\b((?:agentgateway|prometheus)[:_][A-Za-z0-9_:]*|up|ALERTS)\b(?!\s*\()(\{)?"
    matcher = 'namespace="monitoring"'
    return re.sub(selector, lambda m: f"{m[1]}{{{matcher}," if m[2] else f"{m[1]}{{{matcher}}}", promql)


def enforced_namespace() -> Case:
    """The same label is on everything that is scraped: 100 x (50,000 x 1 + 50,000 x 10) / 1,000,000 USD."""
    own = {"namespace": "monitoring"}
    series = {up(**own): WATCHED, build_info("v1.5.0", **own): WATCHED}
    series |= {counter(kind, **own): requests(50_000) for kind in ("input", "output")}
    total = f"round(sum(sum_over_time({COST}[2h])) * 1000000000)"
    samples = ((total, END, {"": 55_000_000_000}), *silent("LLMGatewayNotScraped", "LLMPricesNotRecorded"))
    return Case("an enforced namespace", enforced(money_rules(spec_of(), targets, unpriced)), series, samples)


# ---- Each of them ----------------------------------------------------------------------------------------------------

CASES = {
    case.name: case
    for case in (
        *(standalone(), long_names(), no_response_model(), odd_rates(), enforced_namespace()),
        # 2 x 100 x 0.1 USD, and 2 x 50 x 0.2
        seldom("1m", 100, 100_000, 20_000_000_000),
        seldom("2m", 50, 200_000, 20_000_000_000),
    )
}


@cache
def verdicts(promtool: Path) -> dict[str, str]:
    return failures(promtool, *CASES.values())


@pytest.mark.parametrize("name", CASES)
def test_the_dollars_are_right(name: str, promtool: Path) -> None:
    assert verdicts(promtool).get(name, "") == ""
